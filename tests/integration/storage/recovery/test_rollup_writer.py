"""What only Postgres knows goes into the archive: nothing is skipped, and nothing is written twice without need."""

import io
import threading
import zipfile
from typing import Any

import pyarrow.parquet as pq
import pytest

from storage.catalog import leases
from storage.catalog.leases import LeaseLost
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.model.records import LabelChange
from storage.recovery.rollup_writer import TABLES, RolledUp, roll_up
from storage.segments.file_names import ROLLUP_SUFFIX
from tests.integration.storage.factory import Mail, Shard


def read(shard: Shard, rolled: RolledUp | None) -> dict[str, list[dict[str, Any]]]:
    """The tables of a roll-up's file."""
    assert rolled is not None
    with zipfile.ZipFile(shard.root / (rolled.name + ROLLUP_SUFFIX)) as archive:
        assert archive.testzip() is None
        return {name: pq.read_table(io.BytesIO(archive.read(f"{name}.parquet"))).to_pylist() for name in TABLES}


def test_a_roll_up_holds_what_is_new_and_a_quiet_shard_writes_none(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2))
    shard.change(user, (1, "STARRED", True))

    first = read(shard, roll_up(shard.engine, shard.blobs, shard.lease))
    files = list(shard.blobs.list(f"{shard.shard_id:04d}"))

    assert [event["label_id"] for event in first["events"]] == ["STARRED"]
    assert {state["message_id"]: state["labels"] for state in first["states"]} == {1: ["INBOX", "STARRED"], 2: None}
    assert [mailbox["cursor"] for mailbox in first["mailboxes"]] == [20]
    assert roll_up(shard.engine, shard.blobs, shard.lease) is None
    assert list(shard.blobs.list(f"{shard.shard_id:04d}")) == files

    shard.change(user, (2, "\\Deleted", True), history_id=16)
    second = read(shard, roll_up(shard.engine, shard.blobs, shard.lease))
    assert [(event["message_id"], event["label_id"]) for event in second["events"]] == [(2, "\\Deleted")]


def test_a_commit_that_began_before_a_roll_up_and_ends_after_it_is_in_the_next(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2))
    shard.change(user, (1, "STARRED", True))
    with transaction(shard.engine) as early:
        early.execute(query("transaction_time"))  # its now() is before the roll-up's
        roll_up(shard.engine, shard.blobs, shard.lease)
        leases.fence(early, shard.shard_id, shard.lease.owner, shard.lease.epoch)
        values = {"user_ids": [user], "message_ids": [2], "label_ids": ["X"], "is_on": [True], "history_ids": [17]}
        early.execute(query("label_events_insert"), values)

    rolled = read(shard, roll_up(shard.engine, shard.blobs, shard.lease))

    assert [event["label_id"] for event in rolled["events"]] == ["X"]


def test_a_roll_up_waits_for_the_commit_under_way_and_holds_it(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1))
    found: list[RolledUp | None] = []
    thread = threading.Thread(target=lambda: found.append(roll_up(shard.engine, shard.blobs, shard.lease)))
    with transaction(shard.engine) as commit:
        leases.fence(commit, shard.shard_id, shard.lease.owner, shard.lease.epoch)
        values = {"user_ids": [user], "message_ids": [1], "label_ids": ["X"], "is_on": [True], "history_ids": [17]}
        commit.execute(query("label_events_insert"), values)
        thread.start()
        thread.join(0.2)
        assert not found
    thread.join()

    assert [event["label_id"] for event in read(shard, found[0])["events"]] == ["X"]


def test_an_owner_that_lost_its_lease_rolls_nothing_up(shard: Shard) -> None:
    old = shard.lease
    shard.lease = leases.acquire(shard.engine, shard.shard_id, "owner", "cluster", 60)

    with pytest.raises(LeaseLost):
        roll_up(shard.engine, shard.blobs, old)


def test_an_event_of_every_commit_beside_roll_ups_is_in_exactly_one_file(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1))

    def commits() -> None:
        for number in range(20, 60):
            shard.catalog.commit(shard.plan([user], changes=[LabelChange(user, 1, f"L{number}", True, number)]))

    thread = threading.Thread(target=commits)
    thread.start()
    rolled = []
    while thread.is_alive():
        rolled.append(roll_up(shard.engine, shard.blobs, shard.lease))
    thread.join()
    rolled.append(roll_up(shard.engine, shard.blobs, shard.lease))

    told = [event["label_id"] for file in rolled if file for event in read(shard, file)["events"]]
    assert told == [f"L{number}" for number in range(20, 60)]
