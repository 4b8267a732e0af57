"""Errors in mail that is read from disk."""

from pathlib import Path

from storage.errors import BackupError


class MailNotFound(BackupError):
    """The path names nothing. Correct it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"There is no mail at {self.path}: give an .eml file, a folder of them, an mbox or a .tar.gz."


class MailUnreadable(BackupError):
    """The path exists, but no mail can be read from it. Give another."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"The mail at {self.path} cannot be read ({self.reason}): "
            "give an .eml file, a folder of them, an mbox or a .tar.gz."
        )


class MailTooLarge(BackupError):
    """More than the simulator agrees to hold. Leave something out or raise the bound."""

    def __init__(self, what: str, size_bytes: int, bound_bytes: int) -> None:
        super().__init__(what, size_bytes, bound_bytes)
        self.what, self.size_bytes, self.bound_bytes = what, size_bytes, bound_bytes

    def __str__(self) -> str:
        return (
            f"{self.what} is {self.size_bytes:,} bytes and the simulator holds at most "
            f"{self.bound_bytes:,} there: leave it out or raise the bound."
        )
