"""The owners of shards, as the gateway sees them (actors/remote.py), and what their silence means."""

from typing import Any, Protocol

from actors.decisions import Mode
from storage.errors import BackupError
from storage.records import User


class Owners(Protocol):
    """Calls the owner of a mailbox's shard. `actors.remote.ShardClient` is one."""

    async def request(self, user: User, mode: Mode) -> None: ...

    async def stop(self, user: User) -> None: ...

    async def status(self, user: User) -> dict[str, Any] | None: ...

    async def ping(self, shard_id: int) -> list[str]: ...


class OwnerUnavailable(BackupError):
    """The owner of a shard cannot do it now. Try again shortly."""

    def __init__(self, shard_id: int, reason: str) -> None:
        super().__init__(shard_id, reason)
        self.shard_id, self.reason = shard_id, reason

    def __str__(self) -> str:
        return f"The owner of shard {self.shard_id} is not available ({self.reason}): try again shortly."
