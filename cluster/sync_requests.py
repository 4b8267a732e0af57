"""Requests syncs of mailboxes from the owners of shards: each shard separately, so a silent one delays no other.

A replaced owner has forgotten its requests; repeating them has no other effect. A campaign's job
(cluster/campaign.py) offers the unfinished mailboxes repeatedly.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from storage.control.accounts import MailboxPaused
from storage.errors import BackupError
from storage.model.records import User

#: Maximum number of a shard's mailboxes requested at a time: enough to keep it busy, and not a thousand at once.
WAVE = 250
ASK_AGAIN_S = 10.0


class SyncRequests:
    """The requests of one campaign."""

    def __init__(
        self,
        request: Callable[[User], Awaitable[None]],
        on_paused: Callable[[User, MailboxPaused], None],
        on_change: Callable[[int, BackupError | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_change`: called when the owner of a shard refuses requests, and when it accepts them again (None)."""
        self._request, self._on_paused, self._on_change, self._clock = request, on_paused, on_change, clock
        self.asked: dict[int, float] = {}  # user -> when an owner accepted the request
        self.failing: dict[int, BackupError] = {}  # shard -> why its owner accepts none
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def offer(self, pending: Iterable[User]) -> None:
        """Request these mailboxes where due. Returns at once; a shard with requests in flight is skipped."""
        for shard_id, users in by_shard(pending).items():
            if (task := self._tasks.get(shard_id)) is not None:
                if not task.done():
                    continue
                task.result()  # a defect of this program ends the campaign's job, with a log entry
            self._tasks[shard_id] = asyncio.ensure_future(self._ask(shard_id, users[:WAVE]))

    async def close(self) -> None:
        """Stop making requests."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _ask(self, shard_id: int, users: Sequence[User]) -> None:
        for user in users:
            if self._clock() - self.asked.get(user.user_id, -ASK_AGAIN_S) < ASK_AGAIN_S:
                continue
            try:
                await self._request(user)
            except MailboxPaused as exc:
                self._on_paused(user, exc)
            except BackupError as exc:  # its owner is being replaced: the next offer repeats the request
                if str(exc) != str(self.failing.get(shard_id)):
                    self._on_change(shard_id, exc)
                self.failing[shard_id] = exc
                return
            self.asked[user.user_id] = self._clock()
            if self.failing.pop(shard_id, None) is not None:
                self._on_change(shard_id, None)


def by_shard(users: Iterable[User]) -> dict[int, list[User]]:
    """Users by their shard, in order."""
    grouped: dict[int, list[User]] = {}
    for user in users:
        grouped.setdefault(user.shard_id, []).append(user)
    return grouped
