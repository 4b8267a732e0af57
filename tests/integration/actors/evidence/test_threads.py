"""Threads that an answer of Gmail names wrongly, over HTTP: one comparison mends them for every reader."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from actors.decisions import Mode
from storage.analytics.correspondence import Correspondence
from storage.db.engines import transaction
from storage.model.records import User
from tests.integration.actors.conftest import Cluster
from tests.integration.actors.evidence.doubts import backed_up, deviate, mended_events, sync, wrong


def threads(cluster: Cluster, user: User) -> dict[int, str]:
    """Message -> its thread, as the message index has it."""
    with transaction(cluster.catalog.engine) as connection:
        rows = connection.execute(
            text("SELECT message_id, to_hex(thread_id) FROM messages WHERE user_id = :user_id"),
            {"user_id": user.user_id},
        )
        return {row[0]: row[1] for row in rows}


async def test_a_wrong_thread_is_mended_by_a_comparison_for_every_reader(doubted: Cluster) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    chosen = next(iter(doubted.simulator.held(user.email)))
    rule = {"kind": "set", "method": "messages.get", "path": "threadId", "value": "abc"}
    deviate(doubted, {**rule, "ids": [f"{chosen:x}"], "times": 1})
    await sync(doubted, owner, user, Mode.FULL)
    moment = datetime.now(UTC)
    assert threads(doubted, user)[chosen] == "abc"

    await sync(doubted, owner, user, Mode.RECONCILE)
    deviate(doubted, {"kind": "set", "method": "messages.list", "path": "messages.3.threadId", "value": "bad"})
    await sync(doubted, owner, user, Mode.RECONCILE)

    right = {key: found["thread"] for key, found in doubted.simulator.held(user.email).items()}
    assert threads(doubted, user) == right, "the wrong one is mended, and a listing that is wrong once mends nothing"
    reader, thread_id = doubted.reader(user), int(right[chosen], 16)
    assert reader.conversations.thread_of(chosen) == reader.conversations.thread_of(chosen, moment) == thread_id
    assert f"{chosen:x}" in {item.id for item in reader.conversations.thread(thread_id).items}
    assert reader.conversations.thread(0xABC).items == ()
    assert "abc" not in {row["id"] for row in Correspondence(reader.stats()).longest(100)}
    [event] = mended_events(doubted)
    assert event["threads"] == 1
    rows = reader.views.table("messages", ["id", "thread_id"], 1 << 30).to_pylist()
    assert {int(row["id"], 16): row["thread_id"] for row in rows} == right


async def test_a_thread_that_history_names_otherwise_is_asked_of_the_message_itself(doubted: Cluster) -> None:
    owner, user = await backed_up(doubted)
    doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: late\r\n\r\nhello\r\n")
    deviate(doubted, {"kind": "set", "method": "messages.get", "path": "threadId", "value": "abc", "times": 1})
    await sync(doubted, owner, user)
    assert "abc" in threads(doubted, user).values()

    await sync(doubted, owner, user)

    assert threads(doubted, user) == {key: found["thread"] for key, found in doubted.simulator.held(user.email).items()}
    assert [event["threads"] for event in mended_events(doubted)] == [1]


@pytest.mark.parametrize("method", ["messages.get", "messages.list", "history.list"])
async def test_wrong_threads_in_every_answer_are_right_after_one_comparison(doubted: Cluster, method: str) -> None:
    owner, _ = await doubted.owner()
    user = doubted.users[0]
    deviate(doubted, {"kind": "thread", "method": method, "times": None})
    await sync(doubted, owner, user, Mode.FULL)
    doubted.simulator.ask(f"users/{user.email}/messages", b"Subject: late\r\n\r\nhello\r\n")
    await sync(doubted, owner, user)
    deviate(doubted)

    await sync(doubted, owner, user, Mode.RECONCILE)

    assert threads(doubted, user) == {key: found["thread"] for key, found in doubted.simulator.held(user.email).items()}
    assert wrong(doubted, user) == {}
