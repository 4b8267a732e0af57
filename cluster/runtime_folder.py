"""The private folder of a running cluster: Ray's session, HAProxy's script and sockets, below the temporary folder.

Ray creates its own folder with mode 0777, not sticky, so that folder lies inside one that stays 0700:
no other user can rename, replace, read or connect to anything in it. It is not below GBM_HOME, because both create Unix
sockets below long names of their own, and a socket's path has at most 107 bytes. The folder is removed when the cluster
ends; after a crash, the next start of any cluster of the same user removes it.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from cluster.home import Home
from storage.errors import BackupError

#: File that names the home whose cluster the folder belongs to.
_HOME = "home"
#: Bytes that remain of a socket's 107 after `/r/session_2026-11-29_11-31-52_123456_1234567/sockets/plasma_store`.
_LONGEST = 38


class FolderUnsafe(BackupError):
    """Others could replace what the cluster executes. Name another temporary folder in TMPDIR."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder, self.reason = folder, reason

    def __str__(self) -> str:
        return f"The folder {self.folder} is not safe to run from ({self.reason}): remove it, or set TMPDIR to another."


class RuntimeFolder:
    """The folder of one home's cluster."""

    def __init__(self, home: Home) -> None:
        digest = hashlib.sha256(str(home.root).encode()).hexdigest()[:8]
        self.root = Path(tempfile.gettempdir()) / f"{_prefix()}{digest}"
        self._home = home

    @property
    def ray(self) -> Path:
        """Ray's folder, which Ray opens to everybody who can reach it."""
        return self.root / "r"

    @property
    def haproxy(self) -> Path:
        """The folder of HAProxy's script, configuration and sockets."""
        return self.root / "h"

    def claim(self) -> None:
        """Create the folder, empty and private. The caller holds the home's lock.

        Raises:
            FolderUnsafe.
        """
        if len(os.fsencode(self.root)) > _LONGEST:
            raise FolderUnsafe(str(self.root), f"sockets need a path of at most {_LONGEST} bytes")
        self.root.mkdir(mode=0o700, exist_ok=True)
        found = self.root.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            self.root.chmod(0o700)  # an earlier release left it open
        self.require_private()
        _empty(self.root)
        (self.root / _HOME).write_text(str(self._home.root))

    def require_private(self) -> None:
        """Refuse a folder in which other users could place files that this program executes.

        Raises:
            FolderUnsafe.
        """
        found, parent = self.root.lstat(), self.root.parent.stat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise FolderUnsafe(str(self.root), "it belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise FolderUnsafe(str(self.root), f"its mode is {stat.S_IMODE(found.st_mode):04o}, not 0700")
        shared = parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX
        if parent.st_uid not in (0, os.geteuid()) or shared:
            raise FolderUnsafe(str(self.root.parent), "others may rename what is in it")

    def remove(self) -> None:
        """Remove the folder after the cluster's end."""
        shutil.rmtree(self.root, ignore_errors=True)


def remove_abandoned() -> int:
    """Remove the folders of this user's clusters that no longer run; return their number."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        try:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                continue
            if not _runs(Path((folder / _HOME).read_text())):
                shutil.rmtree(folder)
                removed += 1
        except OSError:  # it names no home, so its cluster is unknown; or another start is removing it
            continue
    return removed


def _runs(home: Path) -> bool:
    """Whether a process holds the lock of a home (`Home.exclusively`)."""
    try:
        descriptor = os.open(home / "run" / "cluster.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _prefix() -> str:
    return f"gbm-{os.geteuid()}-"


def _empty(folder: Path) -> None:
    for old in folder.iterdir():  # files here are of an earlier session
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink()
