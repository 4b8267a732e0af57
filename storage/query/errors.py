"""What is wrong with a search."""

from storage.errors import BackupError


class InvalidQuery(BackupError):
    """The search cannot be understood. Correct it at the position given (characters from 0)."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason, position)
        self.reason, self.position = reason, position

    def __str__(self) -> str:
        return f"The search is invalid at character {self.position} ({self.reason}): correct it."
