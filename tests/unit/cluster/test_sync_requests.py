"""cluster/sync_requests.py"""

import asyncio
from collections import Counter
from collections.abc import Callable

from actors.remote.client import ShardUnavailable
from cluster.sync_requests import ASK_AGAIN_S, WAVE, SyncRequests
from storage.control.accounts import MailboxPaused
from storage.errors import BackupError
from storage.model.records import User
from tests.unit.serve.fakes import Clock


class _Owners:
    """Owners of shards, of which some never answer."""

    def __init__(self, *hung: int) -> None:
        self.hung, self.away, self.paused = set(hung), set[int](), set[int]()
        self.taken = Counter[int]()
        self.told: list[tuple[int, str | None]] = []
        self.rested: list[int] = []
        self.clock = Clock()
        self.requests = SyncRequests(
            self._request, lambda user, _: self.rested.append(user.user_id), self._tell, self.clock
        )

    async def _request(self, user: User) -> None:
        if user.shard_id in self.hung:
            await asyncio.Event().wait()
        if user.shard_id in self.away:
            raise ShardUnavailable(user.shard_id, "ActorUnavailableError")
        if user.user_id in self.paused:
            raise MailboxPaused(user.email)
        self.taken[user.user_id] += 1

    def _tell(self, shard_id: int, failure: BackupError | None) -> None:
        self.told.append((shard_id, str(failure) if failure else None))

    async def until(self, condition: Callable[[], object], users: list[User]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.requests.offer(users)
                await asyncio.sleep(0)


def _users(*shards: int) -> list[User]:
    return [User(number, f"u{number}@example.com", shard) for number, shard in enumerate(shards)]


async def test_a_silent_owner_delays_no_other_shard_however_many_mailboxes_it_has() -> None:
    owners = _Owners(0)
    users = _users(*[0] * (2 * WAVE), 1, 1, 2)

    await owners.until(lambda: len(owners.taken) == 3, users)

    assert set(owners.taken) == {2 * WAVE, 2 * WAVE + 1, 2 * WAVE + 2}
    await owners.requests.close()


async def test_an_unreachable_owner_is_retried_and_reported_once() -> None:
    owners = _Owners()
    owners.away.add(0)
    users = _users(0)
    await owners.until(lambda: owners.told, users)
    for _ in range(10):
        owners.requests.offer(users)
        await asyncio.sleep(0)
    assert len(owners.told) == 1 and "shard 0" in str(owners.told[0][1])

    owners.away.clear()
    await owners.until(lambda: owners.taken, users)

    assert owners.told[1:] == [(0, None)]
    assert not owners.requests.failing


async def test_a_mailbox_is_asked_for_again_after_a_while_because_its_owner_may_have_been_replaced() -> None:
    owners = _Owners()
    users = _users(0)
    await owners.until(lambda: owners.taken[0] == 1, users)
    for _ in range(5):
        owners.requests.offer(users)
        await asyncio.sleep(0)
    assert owners.taken[0] == 1

    owners.clock.now += ASK_AGAIN_S
    await owners.until(lambda: owners.taken[0] == 2, users)


async def test_a_paused_mailbox_is_reported_and_the_others_continue() -> None:
    owners = _Owners()
    owners.paused.add(0)

    await owners.until(lambda: owners.taken[1], _users(0, 0))

    assert owners.rested[0] == 0 and not owners.requests.failing
