"""Single messages that Gmail denies, cuts or describes wrongly, and messages that are deleted, over HTTP."""

import asyncio

import orjson
import pytest
from sqlalchemy import text

from actors.decisions import Mode
from storage.db.engines import transaction
from storage.files.kept_answers import KeptAnswers
from storage.model.records import Phase, User
from tests.integration.actors.conftest import Cluster, until
from tests.integration.actors.evidence.doubts import (
    backed_up,
    deleted,
    deviate,
    mended,
    mended_events,
    seen_as,
    sync,
    wrong,
)


def doubtful(cluster: Cluster, user: User) -> dict[str, list[str]]:
    """Messages whose bytes disagree with Gmail's estimate, and that defect."""
    said = {
        one["id"]: [defect for defect in one["defects"] if defect.startswith("size-estimate")]
        for one in cluster.reader(user).defective(500)
    }
    return {key: defects for key, defects in said.items() if defects}


async def test_a_message_that_is_not_found_once_is_asked_for_again(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": "not-found", "method": "messages.get", "each": True})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}


async def test_a_message_that_stays_not_found_is_filed_with_its_reason(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    lost = next(iter(doubted.simulator.held(user.email)))
    deviate(doubted, {"kind": "not-found", "method": "messages.get", "ids": [f"{lost:x}"], "times": None})

    await sync(doubted, owner, user, Mode.FULL)

    [item] = await asyncio.to_thread(doubted.catalog.failed, user.shard_id)
    assert item.message_id == lost and "answers that it has none of that id (404)" in item.error
    assert wrong(doubted, user) == {lost: "missing"}
    deviate(doubted)
    await owner.retry_failed(user)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}


async def test_a_date_beyond_the_calendar_costs_nothing_but_a_defect(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    chosen = next(iter(doubted.simulator.held(user.email)))
    date = {"path": "internalDate", "value": "253402300800000", "times": 1}
    deviate(doubted, {"kind": "set", "method": "messages.get", "ids": [f"{chosen:x}"], **date})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {}
    found = doubted.reader(user).email(chosen)
    assert found is not None and found.summary.date.year == 9999
    [damaged] = [
        one for one in doubted.reader(user).defective(500) if "internal-date:253402300800000" in one["defects"]
    ]
    assert int(damaged["id"], 16) == chosen


@pytest.mark.parametrize("path", ["threadId", "internalDate", "historyId", "raw", "id"])
async def test_a_field_that_is_missing_files_the_message_with_its_reason(doubted: Cluster, path: str) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    chosen = next(iter(doubted.simulator.held(user.email)))
    rule = {"kind": "missing", "method": "messages.get", "ids": [f"{chosen:x}"], "path": path, "times": None}
    deviate(doubted, rule)

    await sync(doubted, owner, user, Mode.FULL)

    [item] = await asyncio.to_thread(doubted.catalog.failed, user.shard_id)
    assert (item.message_id, path in item.error) == (chosen, True)
    assert wrong(doubted, user) == {chosen: "missing"}
    status = owner.status(user.user_id)
    assert status is not None and status["failed"] == 1
    reader, kept = doubted.reader(user), KeptAnswers(doubted.blobs)
    [failure] = reader.failures(10)
    received = reader.received(chosen)
    assert received is not None and failure.received_bytes == kept.size(user.user_id, chosen)
    document = orjson.loads(received)
    assert path not in document and len(document) >= 7, "what was received is kept as it was"
    deviate(doubted)
    await owner.retry_failed(user)
    await doubted.quiet(owner, user)
    assert wrong(doubted, user) == {}

    async def forgotten() -> bool:
        return reader.received(chosen) is None

    await until(forgotten)
    assert reader.failures(10) == []


@pytest.mark.parametrize("kind", ["raw-empty", "raw-cut"])
async def test_bytes_that_are_cut_once_are_fetched_whole(doubted: Cluster, kind: str) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": kind, "method": "messages.get", "each": True})

    await sync(doubted, owner, user, Mode.FULL)

    count = len(doubted.simulator.held(user.email))
    assert wrong(doubted, user) == {}
    assert seen_as(doubted, owner, user) == (Phase.CURRENT, None, [], 0)
    assert doubtful(doubted, user) == {} and mended(doubted) == {"refetched": count}
    assert owner.measures()["mended_refetched_total"] == count


async def test_bytes_that_stay_cut_are_kept_with_a_defect_that_says_so(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    chosen, found = next(iter(doubted.simulator.held(user.email).items()))
    deviate(doubted, {"kind": "raw-cut", "method": "messages.get", "ids": [f"{chosen:x}"], "times": None})

    await sync(doubted, owner, user, Mode.FULL)

    assert wrong(doubted, user) == {chosen: "other bytes"} and mended(doubted) == {}
    assert doubtful(doubted, user) == {f"{chosen:x}": [f"size-estimate:{found['size']}"]}


async def test_mail_that_counts_as_deleted_and_is_seen_lives_again(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    chosen = next(iter(doubted.simulator.held(user.email)))
    with transaction(doubted.catalog.engine) as connection:
        connection.execute(text("UPDATE messages SET deleted_at = now() WHERE message_id = :key"), {"key": chosen})

    await sync(doubted, owner, user, Mode.RECONCILE)

    assert wrong(doubted, user) == {}
    assert [event["revived"] for event in mended_events(doubted)] == [1]


async def test_a_real_deletion_outside_history_takes_two_404s(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    gone = next(iter(doubted.simulator.held(user.email)))
    doubted.simulator.act(user.email, f"messages/{gone:x}/delete")
    doubted.simulator.act(user.email, "expire-history")

    await sync(doubted, owner, user)
    assert deleted(doubted, user) == set(), "one 404 is not enough"

    async def is_deleted() -> bool:
        return await asyncio.to_thread(deleted, doubted, user) == {gone}

    await until(is_deleted)
    assert wrong(doubted, user) == {}
