"""The operating system account of the server: ours, or an unprivileged account when we are root.

PostgreSQL refuses to run as root. As root, every program of PostgreSQL is started under another account, which must be
able to enter the directories on the path.
"""

import os
import pwd
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.embedded_postgres.errors import AccountMissing

# The server needs no variables of ours; PGDATA, PGPORT and similar ones would misconfigure it.
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}


@dataclass(frozen=True)
class Account:
    """The account of the server's programs and files."""

    name: str
    uid: int
    gid: int
    is_other: bool
    """True when we are root and must change to this account."""

    def popen(
        self, arguments: Sequence[str | Path], *, cwd: Path, output: int, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a program under this account, in a new session: a terminal's Ctrl-C does not reach it.

        Raises:
            PermissionError: the account cannot enter `cwd` or reach the program; `filename` is the directory.
        """
        other = self.is_other
        return subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=cwd,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
            user=self.uid if other else None,
            group=self.gid if other else None,
            extra_groups=self.groups() if other else None,
        )

    def own(self, path: Path) -> None:
        """Change the owner of a file or directory to this account."""
        if self.is_other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def groups(self) -> list[int]:
        """Every group of the account."""
        return os.getgrouplist(self.name, self.gid)

    def first_closed(self, path: Path) -> Path | None:
        """The topmost directory of `path` (itself included) that this account cannot enter."""
        if not self.is_other:
            return None
        path = path.resolve()
        groups = self.groups()
        for directory in (*reversed(path.parents), path):
            status = directory.stat()
            if not stat.S_ISDIR(status.st_mode):
                continue
            if status.st_uid == self.uid:
                bit = stat.S_IXUSR
            elif status.st_gid in groups:
                bit = stat.S_IXGRP
            else:
                bit = stat.S_IXOTH
            if not status.st_mode & bit:
                return directory
        return None


def ourselves() -> Account:
    """The account of this process. An account without a name (in a container) is named by its number."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Account(name, uid, os.getegid(), is_other=False)


def for_server(data: Path, run_as: str | None) -> Account:
    """The account for this data directory: if we are root, the owner of the data, or the configured account.

    Raises:
        AccountMissing: we are root and the unprivileged account does not exist.
    """
    if os.geteuid() != 0:
        return ourselves()
    if data.exists():
        entry = _by_uid(data.stat().st_uid)
    else:
        entry = _by_name(run_as) if run_as else _first("postgres", "nobody")
    if entry.pw_uid == 0:
        raise AccountMissing(entry.pw_name)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, is_other=True)


def _by_uid(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError as exc:
        raise AccountMissing(str(uid)) from exc


def _by_name(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError as exc:
        raise AccountMissing(name) from exc


def _first(*names: str) -> pwd.struct_passwd:
    """The first of these accounts that exists."""
    for name in names[:-1]:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return _by_name(names[-1])
