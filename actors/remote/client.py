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
    """The owner of a shard does not answer. It is being replaced: ask again in a moment."""

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
        """Try a mailbox's failed messages again now."""
        await self._call(user.shard_id, "retry_failed", user)

    async def stop(self, user: User) -> None:
        """Stop a mailbox's sync until the next request."""
        await self._call(user.shard_id, "stop_mailbox", user.user_id)

    async def pause(self, user: User) -> None:
        """Stop a mailbox's sync, and have none begin until `unpause`."""
        await self._call(user.shard_id, "pause_mailbox", user.user_id)

    async def unpause(self, user: User) -> None:
        """Let a mailbox be asked for again."""
        await self._call(user.shard_id, "unpause_mailbox", user.user_id)

    async def status(self, user: User) -> dict[str, Any] | None:
        """What the owner is doing for a mailbox; None when it has not taken it on."""
        answer: dict[str, Any] | None = await self._call(user.shard_id, "status", user.user_id)
        return answer

    async def gmail(self, shard_id: int) -> GmailConfig:
        """Where the running cluster's Gmail is, and its quota."""
        config: GmailConfig = await self._call(shard_id, "gmail")
        return config

    async def lend(self, user: User, method: str) -> float:
        """Ask to make one call of a Gmail method for a mailbox: 0.0, or seconds until it may be asked again."""
        wait_s: float = await self._call(user.shard_id, "lend", user.user_id, method)
        return wait_s

    async def repaid(self, user: User, method: str) -> None:
        """A call that `lend` let out came back."""
        await self._call(user.shard_id, "repaid", user.user_id, method)

    async def slow_down(self, user: User, scope: str, seconds: float) -> None:
        """Gmail asked for a pause."""
        await self._call(user.shard_id, "slow_down", user.user_id, scope, seconds)

    async def ping(self, shard_id: int) -> list[str]:
        """Make sure that a shard is owned; the orphan files that were swept on the way."""
        swept: list[str] = await self._call(shard_id, "ping")
        return swept

    async def measures(self, shard_id: int) -> dict[str, float]:
        """What the owner measures of its work (`ShardOwner.measures`)."""
        measures: dict[str, float] = await self._call(shard_id, "measures")
        return measures

    async def compact(self, shard_id: int, wait: bool) -> list[Compacted]:
        """Have as few segments as possible in a shard. `wait`: until that is done; else nothing is told of it."""
        done: list[Compacted] = await self._call(shard_id, "compact", wait)
        return done

    async def analyse(self, shard_id: int, only: Sequence[str], user_ids: Sequence[int] | None, wait: bool) -> int:
        """Have a shard's segments (or those with mail of these users) analysed as far as they are not.

        `wait`: until that is done; how many were.
        """
        done: int = await self._call(shard_id, "analyse", list(only), user_ids, wait)
        return done

    async def roll_up(self, shard_id: int) -> RolledUp | None:
        """Have a shard's label events and state rolled up into a file; None: nothing is new."""
        done: RolledUp | None = await self._call(shard_id, "roll_up")
        return done

    async def spent(self, shard_id: int) -> dict[str, float]:
        """CPU seconds of the shard's tasks by stage, and `tasks:STAGE`, how many told of it."""
        spent: dict[str, float] = await self._call(shard_id, "spent")
        return spent

    async def close(self, shard_id: int) -> None:
        """Have the owner give its lease up."""
        await self._call(shard_id, "close")

    async def _call(self, shard_id: int, method: str, *arguments: object) -> Any:
        try:
            handle = ray.get_actor(f"shard:{shard_id}", namespace=NAMESPACE)
            return await asyncio.wait_for(getattr(handle, method).remote(*arguments), self._timeout_s)
        except ShardMoving as exc:
            raise ShardUnavailable(shard_id, "it moves to another database") from exc
        except BackupError as exc:  # Ray makes it an error of its own too, whose text is the remote traceback
            raise getattr(exc, "cause", None) or exc from None
        except (RayError, GetTimeoutError, TimeoutError, ValueError) as exc:
            cause = getattr(exc, "cause", None)
            if isinstance(cause, BackupError) and not isinstance(cause, ShardMoving):
                raise cause from exc
            raise ShardUnavailable(shard_id, type(exc).__name__) from exc
