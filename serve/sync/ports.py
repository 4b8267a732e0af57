"""The owners of shards and the jobs of campaigns, as the gateway sees them, and what their silence means."""

from collections.abc import Mapping
from typing import Any, Protocol

from actors.decisions import Mode
from storage.control.campaigns import Campaign, Campaigns
from storage.control.restore_records import Restore
from storage.control.restores import Restores
from storage.errors import BackupError
from storage.model.records import User


class Owners(Protocol):
    """Calls the owner of a mailbox's shard. `actors.remote.client.ShardClient` is one."""

    async def request(self, user: User, mode: Mode) -> None: ...

    async def stop(self, user: User) -> None: ...

    async def pause(self, user: User) -> None: ...

    async def unpause(self, user: User) -> None: ...

    async def status(self, user: User) -> dict[str, Any] | None: ...

    async def ping(self, shard_id: int) -> list[str]: ...

    async def measures(self, shard_id: int) -> Mapping[str, float]: ...


class NoOwners:
    """Where there are no shards."""

    async def request(self, user: User, mode: Mode) -> None:  # noqa: ARG002 - the port's signature
        """Raises OwnerUnavailable, as all of them."""
        raise OwnerUnavailable(user.shard_id, "there is none")

    async def stop(self, user: User) -> None:
        raise OwnerUnavailable(user.shard_id, "there is none")

    async def pause(self, user: User) -> None:
        raise OwnerUnavailable(user.shard_id, "there is none")

    async def unpause(self, user: User) -> None:
        raise OwnerUnavailable(user.shard_id, "there is none")

    async def status(self, user: User) -> dict[str, Any] | None:
        raise OwnerUnavailable(user.shard_id, "there is none")

    async def ping(self, shard_id: int) -> list[str]:
        raise OwnerUnavailable(shard_id, "there is none")

    async def measures(self, shard_id: int) -> Mapping[str, float]:
        raise OwnerUnavailable(shard_id, "there is none")


class Jobs(Protocol):
    """Has campaigns worked on. `serve.deployment.CampaignJobs` is one. Blocking."""

    def start(self, campaigns: Campaigns, campaign: Campaign) -> Campaign:
        """The campaign with a job that is alive, submitted if need be.

        Raises:
            JobsUnavailable, CampaignEnded.
        """

    def start_restore(self, restores: Restores, restore: Restore) -> Restore:
        """The restore with a job that is alive, submitted if need be.

        Raises:
            JobsUnavailable, RestoreConflict.
        """


class NoJobs:
    """Where no Ray dashboard takes jobs."""

    def start(self, campaigns: Campaigns, campaign: Campaign) -> Campaign:  # noqa: ARG002 - the port's signature
        """Raises JobsUnavailable."""
        raise JobsUnavailable("this gateway was started without a place to submit jobs to")

    def start_restore(self, restores: Restores, restore: Restore) -> Restore:  # noqa: ARG002 - the port's signature
        """Raises JobsUnavailable."""
        raise JobsUnavailable("this gateway was started without a place to submit jobs to")


class JobsUnavailable(BackupError):
    """Ray takes no jobs at the moment. Try again shortly."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Ray takes no jobs ({self.reason}): try again shortly."


class OwnerUnavailable(BackupError):
    """The owner of a shard cannot do it now. Try again shortly."""

    def __init__(self, shard_id: int, reason: str) -> None:
        super().__init__(shard_id, reason)
        self.shard_id, self.reason = shard_id, reason

    def __str__(self) -> str:
        return f"The owner of shard {self.shard_id} is not available ({self.reason}): try again shortly."


class UnknownOperation(BackupError):
    """There is no such operation for this caller. See the list."""

    def __init__(self, operation_id: str) -> None:
        super().__init__(operation_id)
        self.operation_id = operation_id

    def __str__(self) -> str:
        return "There is no such operation: see /api/v1/sync/operations."
