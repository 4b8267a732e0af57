"""The comparison of a backup with Gmail, against the simulator, with a real owner."""

from pathlib import Path
from typing import Any

import pytest

from actors.decisions import Mode
from actors.tokens import Tokens
from cluster.gmail_comparison import Differences, compare, reader_of, stored, units_of
from storage.db.engines import transaction
from storage.model.message_id import to_hex
from storage.model.records import StoredLabels, User
from tests.integration.actors.conftest import Cluster, Simulator
from tests.integration.actors.test_restore import Bench, _Client


@pytest.fixture
async def bench(cluster: Cluster, tmp_path: Path) -> Bench:
    owner, _ = await cluster.owner()
    return Bench(cluster, owner, tmp_path / "home")


async def compared(bench: Bench, user: User, sync_s: float = 30) -> tuple[Differences, int]:
    """What differs, and the number of listings."""
    gmail, calls = bench.cluster.backup.gmail, [0]
    tokens = Tokens(bench.cluster.control, bench.cluster.sealer, gmail)

    def on_calls(count: int) -> None:
        calls[0] += count

    async with reader_of(gmail, _Client(bench.owner), tokens, user) as reader:
        found = await compare(bench.stores, user, reader, sync_s, on_calls)
    return found, calls[0]


async def test_a_current_backup_is_equal_and_what_it_lost_is_told(bench: Bench, simulator: Simulator) -> None:
    user = bench.cluster.users[0]
    await bench.sync(user, Mode.FULL)
    held = simulator.held(user.email)
    messages = list(held)
    units = units_of(bench.cluster.backup.gmail, stored(bench.stores, user))

    found, calls = await compared(bench, user)

    assert found.are_none
    assert found.messages == len(held)
    assert calls == 1 + found.labels
    assert 5 * calls <= units + 5 * 20, "system labels without mail are listed, too"

    simulator.act(user.email, f"messages/{to_hex(messages[0])}/delete")  # the comparison syncs first
    found, _ = await compared(bench, user)
    assert (found.are_none, found.messages) == (True, len(held) - 1)

    with transaction(bench.stores.catalog(user).engine) as connection:
        values = {"user_id": user.user_id, "lost": messages[1], "gone": messages[2], "other": messages[3]}
        for statement in (
            "DELETE FROM messages WHERE user_id = %(user_id)s AND message_id = %(lost)s",
            "UPDATE messages SET deleted_at = NULL WHERE user_id = %(user_id)s AND deleted_at IS NOT NULL",
            "UPDATE messages SET labels = array_append(labels, 'STARRED')"
            " WHERE user_id = %(user_id)s AND message_id = %(other)s",
        ):
            connection.exec_driver_sql(statement, values)
    found, _ = await compared(bench, user)

    assert (found.missing, found.surplus) == ({messages[1]}, {messages[0]})
    starred = "STARRED" in held[messages[3]]["labels"]
    assert found.taken_off == ({} if starred else {"STARRED": {messages[3]}})
    assert not found.put_on


def state(messages: dict[int, str], deleted: Any = ()) -> StoredLabels:
    from array import array

    ids = sorted(messages)
    rows: dict[str, array[int]] = {}
    for row, message_id in enumerate(ids):
        for label in messages[message_id]:
            rows.setdefault(label, array("q")).append(row)
    return StoredLabels(array("q", ids), [message_id in deleted for message_id in ids], rows)


def test_only_what_neither_state_explains_is_a_difference() -> None:
    from cluster.gmail_comparison import differences

    before, after = state({1: "A", 2: "A", 3: "", 5: "B"}), state({1: "A", 2: "", 3: "A", 4: "A", 5: "B"}, deleted=[5])

    found = differences({1, 2, 3, 4, 6}, {"A": {1, 2, 3, 4}, "B": {3}}, (before, after), failed={6})

    assert (found.missing, found.waiting, found.surplus) == ({6}, {6}, set())
    assert (found.put_on, found.taken_off) == ({"B": {3}}, {})
