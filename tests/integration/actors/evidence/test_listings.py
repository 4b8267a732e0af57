"""Listings that leave ids out, shift, repeat or never end, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from actors.config import PollConfig, RetryConfig, ShardConfig
from actors.decisions import Mode
from cluster.simulator.process import start_simulator
from storage.db.engines import transaction
from storage.model.records import Phase
from tests.integration.actors.conftest import Cluster, Simulator, empty_cluster, until
from tests.integration.actors.evidence.conftest import EVIDENCE
from tests.integration.actors.evidence.doubts import (
    backed_up,
    calls_answered,
    deleted,
    deviate,
    mended,
    seen,
    seen_as,
    state,
    sync,
    wrong,
)


async def test_a_listing_that_leaves_ids_out_is_told_and_read_again(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    ids = [f"{key:x}" for key in list(doubted.simulator.held(user.email))[:7]]
    deviate(doubted, {"kind": "set", "method": "getProfile", "path": "messagesTotal", "value": 1000, "times": None})
    await owner.request(user, Mode.FULL)
    await seen(doubted, user, "listing disagrees: 1000 by the profile")
    assert state(doubted, user).phase is Phase.FULL
    await owner.stop_mailbox(user.user_id)
    await doubted.quiet(owner, user)
    deviate(doubted, {"kind": "omit", "method": "messages.list", "ids": ids, "times": 1})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}
    assert (state(doubted, user).phase, state(doubted, user).error) == (Phase.CURRENT, None)


async def test_a_reconciliation_whose_listing_leaves_ids_out_deletes_none(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    ids = [f"{key:x}" for key in list(doubted.simulator.held(user.email))[:7]]
    # Twice the same: a second listing agrees, so that only the messages' own answers speak for them.
    deviate(doubted, {"kind": "omit", "method": "messages.list", "label": "", "ids": ids, "times": None})

    await sync(doubted, owner, user, Mode.RECONCILE)

    assert deleted(doubted, user) == set()
    deviate(doubted)
    await sync(doubted, owner, user, Mode.RECONCILE)
    assert wrong(doubted, user) == {}


@pytest.fixture
async def paged(new_pair: Callable[[], tuple[str, ...]], tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster of one mailbox whose listing has two pages."""
    shard = ShardConfig(poll=PollConfig(enabled=False), retry=RetryConfig(first_delay_s=0.05), evidence=EVIDENCE)
    with start_simulator(["--generate=530", "--users=1", "--quota-profile=unlimited"]) as url:
        async with empty_cluster(Simulator(url), new_pair, tmp_path, shard, segment_age_s=0.1) as cluster:
            yield cluster


async def test_pages_that_shift_while_mail_is_deleted_are_told_and_lose_nothing(paged: Cluster) -> None:
    owner, _ = await paged.owner()
    [user] = paged.users
    gone = next(iter(paged.simulator.held(user.email)))
    # The second page begins one message too late, as it does when one of the first page is deleted meanwhile.
    deviate(paged, {"kind": "shift", "method": "messages.list", "times": 2})
    paged.simulator.misbehave(latency_ms=400)
    await owner.request(user, Mode.FULL)
    paged.simulator.act(user.email, f"messages/{gone:x}/delete")

    await seen(paged, user, "listing disagrees: 529 by the profile, 528 listed")

    record = state(paged, user)
    assert (record.phase, record.synced_at, deleted(paged, user)) == (Phase.FULL, None, set())
    paged.simulator.misbehave()
    await paged.quiet(owner, user)
    assert wrong(paged, user) == {}
    assert (seen_as(paged, owner, user), mended(paged)) == ((Phase.CURRENT, None, [], 0), {})


async def test_many_deletions_outside_history_are_suspect_until_somebody_accepts_them(paged: Cluster) -> None:
    owner, user = await backed_up(paged)
    gone = list(paged.simulator.held(user.email))[:110]
    for message_id in gone:
        paged.simulator.act(user.email, f"messages/{message_id:x}/delete")
    paged.simulator.act(user.email, "expire-history")

    await sync(paged, owner, user)

    assert deleted(paged, user) == set()
    status, failures = owner.status(user.user_id), paged.reader(user).failures(500)
    assert status is not None and status["failed"] == len(failures) == 110
    assert {(failure.kind, int(failure.id, 16) in gone) for failure in failures} == {("suspect", True)}
    assert "suspect: a listing lacks 110 of 530 messages at once; checked again later" in failures[0].reason

    await owner.retry_failed(user)  # `gbm failures retry`: somebody says that it may be so

    async def accepted() -> bool:
        return await asyncio.to_thread(deleted, paged, user) == set(gone)

    await until(accepted)
    await paged.quiet(owner, user)
    assert (wrong(paged, user), paged.reader(user).failures(10)) == ({}, [])
    assert mended(paged) == {"deleted": 110}


@pytest.mark.parametrize("method", ["messages.list", "history.list"])
@pytest.mark.parametrize("kind", ["loop", "endless"])
@pytest.mark.parametrize("doubted", [1.0], indirect=True, ids=["default-pauses"])
async def test_page_tokens_that_never_end_cost_few_calls_and_are_told(doubted: Cluster, method: str, kind: str) -> None:
    owner, user = await backed_up(doubted)
    deviate(doubted, {"kind": kind, "method": method, "times": None})
    await owner.request(user, Mode.FULL if method == "messages.list" else Mode.INCREMENTAL)
    await seen(doubted, user, "repeats a page token or never ends")
    before = await calls_answered(doubted)

    await asyncio.sleep(3)  # what is asked for in a while

    bound = 450 if kind == "endless" else 12  # an endless one is found out by its length
    assert await calls_answered(doubted) - before < bound
    deviate(doubted)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}
    assert state(doubted, user).error is None


async def test_an_id_that_does_not_round_trip_is_recorded_by_name(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    rule = {"kind": "set", "method": "messages.list", "path": "messages.3.id", "value": "00ab", "times": None}
    deviate(doubted, rule)

    await sync(doubted, owner, user, Mode.FULL)

    with transaction(doubted.catalog.engine) as connection:
        rows = connection.execute(text("SELECT item, found_in FROM unreadable_items")).all()
    assert [tuple(row) for row in rows] == [("00ab", "messages.list")]
    assert len(wrong(doubted, user)) == 1, "all others are stored"
