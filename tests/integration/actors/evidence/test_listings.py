"""Listings that leave ids out, shift, repeat or never end, over HTTP."""

import asyncio

import pytest
from sqlalchemy import text

from actors.decisions import Mode
from storage.db.engines import transaction
from storage.model.records import Phase
from tests.integration.actors.conftest import Cluster
from tests.integration.actors.evidence.doubts import (
    backed_up,
    calls_answered,
    deleted,
    deviate,
    seen,
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


async def test_pages_that_shift_while_mail_is_deleted_lose_nothing(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    last = f"{list(doubted.simulator.held(user.email))[-1]:x}"
    deviate(doubted, {"kind": "omit", "method": "messages.list", "label": "", "ids": [last], "times": 1})
    await owner.request(user, Mode.FULL)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}


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
