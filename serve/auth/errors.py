"""Errors of the sign-in with Google."""

from storage.errors import BackupError


class SignInFailed(BackupError):
    """The sign-in with Google did not work out. Begin again at /api/v1/auth/google/login."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return "Signing in with Google did not work: begin again at /api/v1/auth/google/login."


class NotBackedUp(BackupError):
    """Google confirms the account, but its mailbox is not backed up here. Have the operator add it."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "This Google account is not backed up here: ask your operator to add it."
