"""The error of an invalid search."""

from storage.errors import BackupError


class InvalidQuery(BackupError):
    """The search cannot be parsed. Correct it at the given position (characters from 0)."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason, position)
        self.reason, self.position = reason, position

    def __str__(self) -> str:
        return f"The search is invalid at character {self.position} ({self.reason}): correct it."
