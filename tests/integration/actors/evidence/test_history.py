"""History that lags, is missing or names ids from the future, and watches that have expired, over HTTP."""

import asyncio
from typing import Any

import pytest

from actors.config import PollConfig
from actors.decisions import Mode
from storage.model.records import Phase
from tests.integration.actors.conftest import Cluster, until
from tests.integration.actors.evidence.doubts import (
    backed_up,
    calls_answered,
    deleted,
    deviate,
    mended,
    seen_as,
    state,
    sync,
    wrong,
)


async def test_history_that_lags_behind_its_own_id_is_read_again(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    starred, gone, *_ = doubted.simulator.held(user.email)
    doubted.simulator.act(user.email, "lag")
    for number in range(5):
        doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: late %d\r\n\r\nhello\r\n" % number)
    doubted.simulator.act(user.email, f"messages/{starred:x}/labels", add=["STARRED"], remove=["UNREAD"])
    doubted.simulator.act(user.email, f"messages/{gone:x}/delete")
    await sync(doubted, owner, user)
    assert wrong(doubted, user) != {}, "it is not told yet"
    assert seen_as(doubted, owner, user) == (Phase.CURRENT, None, [], 0), "and Gmail contradicts itself nowhere"
    assert (deleted(doubted, user), mended(doubted)) == (set(), {})
    deviate(doubted)

    await sync(doubted, owner, user)

    assert wrong(doubted, user) == {}
    # Five messages, a star, and a deletion.
    assert mended(doubted) == {"late": 7}
    assert owner.measures()["mended_late_total"] == 7
    await sync(doubted, owner, user)
    assert mended(doubted) == {"late": 7}, "what is read again is not late again"


async def test_a_next_owner_reads_what_lagged_for_the_one_before(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    doubted.simulator.act(user.email, "lag")
    doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: late\r\n\r\nhello\r\n")
    await sync(doubted, owner, user)
    await owner.close()
    deviate(doubted)
    owner, _ = await doubted.owner()

    await sync(doubted, owner, user)

    assert wrong(doubted, user) == {}


@pytest.mark.parametrize("far", ["999999999999999", "9223372036854775807"])
@pytest.mark.parametrize("method", ["messages.get", "history.list", "getProfile"])
async def test_a_history_id_from_the_future_makes_nothing_later_look_old(
    doubted: Cluster, method: str, far: str
) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    rule = {"kind": "set", "method": method, "email": user.email, "path": "historyId", "value": far}
    deviate(doubted, {**rule, "each": method == "messages.get"})
    await sync(doubted, owner, user, Mode.FULL)
    assert wrong(doubted, user) == {}
    starred, gone, *_ = doubted.simulator.held(user.email)
    doubted.simulator.act(user.email, f"messages/{starred:x}/labels", add=["STARRED"], remove=["UNREAD"])
    doubted.simulator.act(user.email, f"messages/{gone:x}/delete")
    deviate(doubted, rule)

    await sync(doubted, owner, user)

    assert wrong(doubted, user) == {}
    assert (state(doubted, user).cursor or 0) < 10**12


async def test_history_that_is_never_there_costs_few_listings(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    deviate(doubted, {"kind": "refuse", "method": "history.list", "value": [404, "notFound"], "times": None})
    await owner.request(user, Mode.INCREMENTAL)
    await asyncio.sleep(3)  # two listings fit in
    before = await calls_answered(doubted)

    await asyncio.sleep(3)

    assert await calls_answered(doubted) - before < 5
    assert deleted(doubted, user) == set() and wrong(doubted, user) == {}


@pytest.mark.parametrize(
    "rule", [{"kind": "set", "path": "expiration", "value": "1"}, {"kind": "missing", "path": "expiration"}]
)
async def test_a_watch_that_has_expired_is_not_renewed_at_once(doubted: Cluster, rule: dict[str, Any]) -> None:
    poll = PollConfig(shortest_s=0.3, longest_s=0.6, topic="projects/p/topics/t")
    shard = doubted.backup.shard.model_copy(update={"poll": poll})
    doubted.backup = doubted.backup.model_copy(update={"shard": shard})
    deviate(doubted, {"method": "watch", "times": None, **rule})
    _, user = await backed_up(doubted)

    async def watches() -> int:
        return int((await asyncio.to_thread(doubted.simulator.ask, "stats"))["answered"].get("watch", 0))

    async def is_watched() -> bool:
        return await watches() >= 1

    await until(is_watched)
    await asyncio.sleep(2)  # several polls

    assert await watches() == 1
    assert (state(doubted, user).error, wrong(doubted, user)) == (None, {})
