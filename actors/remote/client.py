"""The owners of shards, called by name from anywhere in the cluster."""

import asyncio
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from actors.decisions import Mode
from actors.maintenance import Compacted
from actors.remote.names import NAMESPACE
from jobs.gmail.config import GmailConfig
from storage.catalog.leases import ShardMoving
from storage.errors import BackupError
from storage.model.records import User
from storage.recovery.rollup_writer import RolledUp


class ShardUnavailable(BackupError):
    """The owner of a shard does not answer and is being replaced: retry in a moment."""

    def __init__(self, shard_id: int, reason: str) -> None:
        super().__init__(shard_id, reason)
        self.shard_id, self.reason = shard_id, reason

    def __str__(self) -> str:
        return f"The owner of shard {self.shard_id} does not answer ({self.reason}): ask again in a moment."


class ShardClient:
    """Calls the owners of shards by name, from anywhere in the cluster."""

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s

    async def request(self, user: User, mode: Mode) -> None:
        """Begin a sync of a mailbox.

        Raises:
            ShardUnavailable, and whatever the owner raises.
        """
        await self._call(user.shard_id, "request", user, mode)

    async def retry_failed(self, user: User) -> None:
        """Retry a mailbox's failed messages now."""
        await self._call(user.shard_id, "retry_failed", user)

    async def stop(self, user: User) -> None:
        """Stop a mailbox's sync until the next request."""
        await self._call(user.shard_id, "stop_mailbox", user.user_id)

    async def pause(self, user: User) -> None:
        """Stop a mailbox's sync, and refuse requests until `unpause`."""
        await self._call(user.shard_id, "pause_mailbox", user.user_id)

    async def unpause(self, user: User) -> None:
        """Accept requests for a mailbox again."""
        await self._call(user.shard_id, "unpause_mailbox", user.user_id)

    async def status(self, user: User) -> dict[str, Any] | None:
        """The owner's work on a mailbox; None if the mailbox is not open there."""
        answer: dict[str, Any] | None = await self._call(user.shard_id, "status", user.user_id)
        return answer

    async def gmail(self, shard_id: int) -> GmailConfig:
        """The endpoint and quota of the running cluster's Gmail."""
        config: GmailConfig = await self._call(shard_id, "gmail")
        return config

    async def lend(self, user: User, method: str) -> float:
        """Request permission for one call of a Gmail method for a mailbox: 0.0, or seconds until the next request."""
        wait_s: float = await self._call(user.shard_id, "lend", user.user_id, method)
        return wait_s

    async def repaid(self, user: User, method: str) -> None:
        """Report the end of a call that `lend` permitted."""
        await self._call(user.shard_id, "repaid", user.user_id, method)

    async def slow_down(self, user: User, scope: str, seconds: float) -> None:
        """Report that Gmail asked for a pause."""
        await self._call(user.shard_id, "slow_down", user.user_id, scope, seconds)

    async def ping(self, shard_id: int) -> list[str]:
        """Ensure that a shard is owned; return the orphan files that were swept."""
        swept: list[str] = await self._call(shard_id, "ping")
        return swept

    async def measures(self, shard_id: int) -> dict[str, float]:
        """Metrics of the owner (`ShardOwner.measures`)."""
        measures: dict[str, float] = await self._call(shard_id, "measures")
        return measures

    async def compact(self, shard_id: int, wait: bool) -> list[Compacted]:
        """Merge a shard's segments into as few as possible. `wait`: return after the merges, with their results."""
        done: list[Compacted] = await self._call(shard_id, "compact", wait)
        return done

    async def analyse(self, shard_id: int, only: Sequence[str], user_ids: Sequence[int] | None, wait: bool) -> int:
        """Analyse a shard's unanalysed segments (or those with mail of these users).

        `wait`: return afterwards, with their number.
        """
        done: int = await self._call(shard_id, "analyse", list(only), user_ids, wait)
        return done

    async def roll_up(self, shard_id: int) -> RolledUp | None:
        """Roll a shard's label events and state up into a file; None: nothing is new."""
        done: RolledUp | None = await self._call(shard_id, "roll_up")
        return done

    async def spent(self, shard_id: int) -> dict[str, float]:
        """CPU seconds of the shard's tasks by stage, and `tasks:STAGE`, the number of tasks."""
        spent: dict[str, float] = await self._call(shard_id, "spent")
        return spent

    async def close(self, shard_id: int) -> None:
        """Make the owner release its lease."""
        await self._call(shard_id, "close")

    async def _call(self, shard_id: int, method: str, *arguments: object) -> Any:
        try:
            handle = ray.get_actor(f"shard:{shard_id}", namespace=NAMESPACE)
            return await asyncio.wait_for(getattr(handle, method).remote(*arguments), self._timeout_s)
        except ShardMoving as exc:
            raise ShardUnavailable(shard_id, "it moves to another database") from exc
        except BackupError as exc:  # Ray wraps the error; the wrapper's text is the remote traceback
            raise getattr(exc, "cause", None) or exc from None
        except (RayError, GetTimeoutError, TimeoutError, ValueError) as exc:
            cause = getattr(exc, "cause", None)
            if isinstance(cause, BackupError) and not isinstance(cause, ShardMoving):
                raise cause from exc
            raise ShardUnavailable(shard_id, type(exc).__name__) from exc
