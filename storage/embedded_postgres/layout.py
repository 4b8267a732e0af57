"""The files of one embedded server: paths, owners, permissions.

    data/           PostgreSQL's data directory; created under another name, then renamed, so it is complete or absent
    socket/         0700; a short private directory elsewhere when this path is too long for a socket
    password        0600
    postgres.log    the server's log; the previous one is postgres.log.1
    users.lock, lifecycle.lock

This module starts and stops no process.
"""

import contextlib
import hashlib
import os
import pwd
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from storage.embedded_postgres.account import for_server
from storage.embedded_postgres.errors import DirectoryClosed, NotOurs, PasswordMissing

PORT = 5432
"""Part of the socket's file name; nothing listens on a network port."""

_SOCKET_NAME = f".s.PGSQL.{PORT}"
# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103


class Layout:
    """The paths in one directory, and the account that owns the server's part of them."""

    def __init__(self, directory: Path, run_as: str | None) -> None:
        """Create the directory if it is missing.

        Raises:
            NotOurs: the directory belongs to another user.
            DirectoryClosed: the server's account cannot enter the directory.
            AccountMissing: we are root and the server's account does not exist.
        """
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.password_file = self.directory / "password"
        self.log = self.directory / "postgres.log"
        self.lifecycle_lock = self.directory / "lifecycle.lock"
        self.users_lock = self.directory / "users.lock"
        try:
            # The server's account must enter root's directory; the files in it are protected one by one.
            mode = 0o711 if os.geteuid() == 0 else 0o700
            self.directory.mkdir(mode=mode, parents=True, exist_ok=True)
            owner = self.directory.stat().st_uid
            if os.geteuid() not in (0, owner):
                raise NotOurs(str(self.directory), f"belongs to {_user_name(owner)}")
            self.account = for_server(self.data, run_as)
        except PermissionError as exc:
            raise NotOurs(str(exc.filename), "is closed to us") from exc
        closed = self.account.first_closed(self.directory)
        if closed is not None:
            raise DirectoryClosed(str(closed), self.account.name, str(self.directory))

    def open_file(self, path: Path, flags: int) -> int:
        """Open a file of the directory; a new file is created with mode 0600 for the directory's owner."""
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise NotOurs(str(path), f"cannot be opened ({exc.strerror})") from exc
        if os.geteuid() == 0:
            owner = self.directory.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def password(self) -> str:
        """The superuser's password.

        Raises:
            PasswordMissing: the file is gone.
            NotOurs: other users could read or replace it.
        """
        try:
            descriptor = os.open(self.password_file, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError as exc:
            raise PasswordMissing(str(self.password_file)) from exc
        except OSError as exc:
            raise NotOurs(str(self.password_file), f"cannot be read ({exc.strerror})") from exc
        with os.fdopen(descriptor, encoding="ascii") as file:
            if os.fstat(descriptor).st_mode & 0o077:
                raise NotOurs(str(self.password_file), "can be read by other users (it must have mode 0600)")
            return file.read().strip()

    def new_password(self) -> None:
        """Write a new random password. Only valid before the data directory exists."""
        self.password_file.unlink(missing_ok=True)
        descriptor = os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(descriptor)
        self.account.own(self.password_file)

    def socket_directory(self) -> Path:
        """The directory for the server's socket, private to its account.

        Raises:
            NotOurs: another user created a directory of that name first.
        """
        place = self.directory / "socket"
        if not _fits(place):
            digest = hashlib.sha256(f"{self.account.uid}:{self.directory}".encode()).hexdigest()[:16]
            parents = (Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - ownership is verified below
            place = next(path for parent in parents if _fits(path := parent / f"gbm-{digest}"))
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
            self.account.own(place)
        status = place.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != self.account.uid:
            raise NotOurs(str(place), f"belongs to {_user_name(status.st_uid)}, not to {self.account.name}")
        if status.st_mode & 0o077:
            raise NotOurs(str(place), "can be entered by other users (it must have mode 0700)")
        closed = self.account.first_closed(place)
        if closed is not None:
            raise DirectoryClosed(str(closed), self.account.name, str(place))
        return place

    def last_log_line(self) -> str:
        """The last line of the server's log that reports a problem, for an error message."""
        try:
            text = self.log.read_bytes()[-16384:].decode(errors="replace")
        except OSError:
            return "it left no log"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        problems = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "error:"))]
        return (problems or lines or ["its log is empty"])[-1]

    def parts_of_initdb(self) -> Iterator[Path]:
        """Directories left by an interrupted initdb."""
        return self.directory.glob("initdb-*")


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / _SOCKET_NAME)) <= _SOCKET_PATH_BYTES


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
