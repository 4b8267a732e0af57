"""Asks the owners of shards for syncs of mailboxes: every shard by itself, so one that is silent delays no other.

An owner that was replaced has forgotten what it was asked; asking again changes nothing otherwise. A campaign's job
(cluster/campaign.py) offers the mailboxes that are not done, again and again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from storage.control.accounts import MailboxPaused
from storage.errors import BackupError
from storage.model.records import User

#: Mailboxes of a shard that are asked for at a time: it has plenty to do, and does not hear of a thousand at once.
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
        """`on_change`: called when the owner of a shard fails to take requests, and when it takes them again (None)."""
        self._request, self._on_paused, self._on_change, self._clock = request, on_paused, on_change, clock
        self.asked: dict[int, float] = {}  # user -> when an owner took the request
        self.failing: dict[int, BackupError] = {}  # shard -> why its owner takes none
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def offer(self, pending: Iterable[User]) -> None:
        """Ask for these mailboxes as far as that is due. Returns at once; a shard that is being asked is left alone."""
        for shard_id, users in by_shard(pending).items():
            if (task := self._tasks.get(shard_id)) is not None:
                if not task.done():
                    continue
                task.result()  # a defect of ours ends the campaign's job, loudly
            self._tasks[shard_id] = asyncio.ensure_future(self._ask(shard_id, users[:WAVE]))

    async def close(self) -> None:
        """Ask no more."""
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
            except BackupError as exc:  # its owner is being replaced: the next offer asks again
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
