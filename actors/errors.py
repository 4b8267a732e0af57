"""Errors of a shard owner."""

from storage.errors import BackupError


class OwnerFailed(BackupError):
    """The owner of a shard ended on a defect. Its replacement goes on from the last commit; report the defect."""

    def __init__(self, shard_id: int, reason: str) -> None:
        super().__init__(shard_id, reason)
        self.shard_id, self.reason = shard_id, reason

    def __str__(self) -> str:
        return f"The owner of shard {self.shard_id} ended ({self.reason}): see its log; a new one takes over."
