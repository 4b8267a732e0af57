"""From the files alone, the databases are what they were."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from storage.catalog import leases
from storage.catalog.compaction import Compactions
from storage.config import PostgresConfig
from storage.control.control import Control
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.mailbox.corrections import corrections_of, judge
from storage.model.judgement import Judgement
from storage.model.records import Commit, FailedItem, LabelChange, LabelRow, MailboxUpdate, Phase, thread_change
from storage.recovery.rebuild import Rebuilt, reconcile, require_empty, shards_of
from storage.recovery.rollup_writer import roll_up
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX, ROLLUP_SUFFIX, SUFFIXES
from storage.segments.garbage_collection import sweep
from storage.segments.merge.merge import merge
from tests.integration.storage.factory import Mail, Shard

#: What a rebuild must give back, row by row. Places are told by files: segments of before a merge are not made again.
QUERIES = {
    "mailboxes": "SELECT * FROM mailboxes ORDER BY user_id",
    "labels": "SELECT * FROM labels ORDER BY user_id, label_id",
    "failed": "SELECT * FROM failed_items ORDER BY user_id, message_id",
    "segments": "SELECT name, shard_id, epoch, messages, size_bytes, raw_bytes, parquet_bytes, words_bytes, defective,"
    " created_at, excluded FROM segments WHERE retired_at IS NULL ORDER BY name",
    "segment_users": "SELECT s.name, u.user_id, u.messages, u.size_bytes, u.first_at, u.last_at"
    " FROM segment_users AS u JOIN segments AS s USING (segment_id) ORDER BY 1, 2",
    "messages": "SELECT m.user_id, m.message_id, thread_id, history_id, received_at, ARRAY(SELECT unnest(labels) ORDER"
    " BY 1) AS labels, size_bytes, sha256, f.name, frame_offset + base_offset AS place, frame_bytes, raw_offset,"
    " deleted_at, stored_at, changed_at FROM messages AS m JOIN segment_files AS f USING (segment_id) ORDER BY 1, 2",
    "events": "SELECT user_id, message_id, label_id, is_on, history_id, observed_at FROM label_events"
    " ORDER BY event_id",
}


class World:
    """A shard with an archive of its own, and databases that are lost."""

    def __init__(self, new_pair: Callable[[], tuple[str, ...]], root: Path) -> None:
        self.root, self._new = root, new_pair
        self.databases = self.fresh()
        self.shard = self.open(self.databases, 1)

    def fresh(self) -> Databases:
        control, shard = (SecretStr(dsn) for dsn in self._new())
        databases = Databases(PostgresConfig(control_dsn=control, shard_dsns=(shard,)))
        migrate.upgrade(databases, shards=1)
        return databases

    def open(self, databases: Databases, epoch: int) -> Shard:
        engine = databases.shard_database(0)
        lease = leases.acquire(engine, 0, "owner", "cluster", 60)
        assert lease.epoch == epoch
        return Shard(engine, self.root, lease)

    def user(self, email: str) -> int:
        user = Control(self.databases.control).add_user(email)
        self.shard.catalog.open_mailbox(0, user.user_id, email)
        return user.user_id

    def rows(self, databases: Databases) -> dict[str, Any]:
        with transaction(databases.shard_database(0)) as connection:
            found = {name: connection.execute(text(sql)).all() for name, sql in QUERIES.items()}
        with transaction(databases.control) as connection:
            found["users"] = connection.execute(text("SELECT user_id, email, shard_id FROM users ORDER BY 1")).all()
        return found

    def rebuild(self, **options: Any) -> tuple[Databases, Rebuilt]:
        databases = self.fresh()
        require_empty(databases)
        assert shards_of(self.shard.blobs) == [0]
        return databases, reconcile(databases, {0: 0}, self.shard.blobs, self.shard.archive, **options)

    def roll_up(self) -> None:
        assert roll_up(self.shard.engine, self.shard.blobs, self.shard.lease)

    def compact(self) -> None:
        live = [segment.name for segment in Compactions(self.shard.engine).live(0)]
        merged, moved = merge(
            self.shard.blobs, self.shard.archive, 0, self.shard.lease.epoch, live, self.shard.analyses()
        )
        assert Compactions(self.shard.engine).commit(self.shard.lease, merged, moved)

    def intact(self, databases: Databases, user_id: int, mails: list[Mail]) -> None:
        """Every message reads back."""
        reader = Shard(databases.shard_database(0), self.root, self.shard.lease).reader(user_id)
        for mail in mails:
            assert sha256(reader.raw(mail.message_id) or b"").digest() == sha256(mail.raw).digest()


@pytest.fixture
def world(new_pair: Callable[[], tuple[str, ...]], home: Path) -> Iterator[World]:
    made: list[Databases] = []
    honest = World.fresh

    class Closing(World):
        def fresh(self) -> Databases:
            made.append(honest(self))
            return made[-1]

    yield Closing(new_pair, home / "archive")
    for databases in made:
        databases.close()


def mails(*numbers: int, text: str = "Good morning.") -> list[Mail]:
    return [Mail(number, subject=f"Mail {number}", text=f"{text} {number}") for number in numbers]


LONG = "word " * 60_000  # a frame of its own: such segments are copied, the others re-packed


@pytest.mark.parametrize("long", [False, True])
def test_after_a_roll_up_a_rebuild_is_equal_row_by_row(world: World, long: bool) -> None:
    ann, bob = world.user("ann@example.com"), world.user("bob@example.com")
    shard, content = world.shard, LONG if long else "short"
    shard.catalog.save_labels(ann, [LabelRow("Label_1", "Receipts", "user", "hide/labelShow", "#000000/#ffffff")])
    shard.store(ann, *mails(1, 2, 3, text=content))
    shard.store(bob, *mails(1, 2, text=content))
    shard.change(ann, (1, "STARRED", True), (2, "\\Deleted", True))
    judge(shard.engine, ann, 1, Judgement("work", "high", by="ann@example.com"))
    world.roll_up()
    world.compact()
    for said in (Judgement("travel", by="ann@example.com"), Judgement("work", "high", by="ann@example.com")):
        judge(shard.engine, ann, 1, said)
    shard.store(ann, *mails(4, 5))
    shard.change(ann, (2, "\\Deleted", False), (3, "INBOX", False), history_id=16)
    shard.change(ann, (1, "STARRED", True), history_id=17)  # turns nothing over, and yet moves the message's history
    shard.change(bob, (1, "\\Deleted", True), history_id=18)
    mended = LabelChange(ann, 3, "INBOX", True, 16, mends=True)
    threads = [thread_change(ann, 1, 77, 17), thread_change(ann, 4, -5, 17), thread_change(ann, 4, 1 << 60, 17)]
    for change in (mended, *threads):
        shard.catalog.commit(shard.plan([ann], changes=[change]))
    failed = FailedItem(bob, 9, 3, "Gmail says no", datetime.now(UTC) + timedelta(hours=1))
    shard.catalog.commit(shard.plan([bob], failed=[failed]))
    world.roll_up()
    before = world.rows(world.databases)

    databases, done = world.rebuild()

    after = world.rows(databases)
    for name in before:
        assert after[name] == before[name], name
    assert (done.damaged, done.missing, done.unnamed, done.relisted) == ([], [], [], 0)
    world.intact(databases, ann, [*mails(1, 2, 3, text=content), *mails(4, 5)])
    with transaction(databases.shard_database(0)) as connection:
        assert [said.category for said in corrections_of(connection, ann).values()] == ["work"]
    assert Control(databases.control).add_user("new@example.com").user_id > bob
    owner = world.open(databases, shard.lease.epoch + 1)
    assert sweep(owner.blobs, owner.catalog, owner.lease, 2e9, 0, 0) == []
    world.intact(databases, bob, mails(1, 2, text=content))
    owner.change(ann, (5, "STARRED", True), history_id=30)
    assert roll_up(owner.engine, owner.blobs, owner.lease)


def test_a_roll_up_whose_record_was_lost_is_made_again_and_counts_once(world: World) -> None:
    ann = world.user("ann@example.com")
    world.shard.store(ann, *mails(1))
    world.shard.change(ann, (1, "STARRED", True))
    world.roll_up()
    with transaction(world.shard.engine) as connection:  # the owner died between the file and its record
        connection.execute(text("DELETE FROM rollups"))
    world.shard.change(ann, (1, "STARRED", False), history_id=16)
    world.roll_up()
    before = world.rows(world.databases)

    databases, done = world.rebuild()

    assert (world.rows(databases), done.rollups) == (before, 2)


def test_a_damaged_roll_up_is_named_and_the_mailboxes_are_listed_again(world: World) -> None:
    ann = world.user("ann@example.com")
    world.shard.store(ann, *mails(1))
    world.roll_up()
    [file] = world.root.rglob(f"*{ROLLUP_SUFFIX}")
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)

    databases, done = world.rebuild(addresses={ann: "ann@example.com"})

    assert len(done.damaged) == 1
    assert done.damaged[0][0].endswith(ROLLUP_SUFFIX)
    world.intact(databases, ann, mails(1))
    owner = Shard(databases.shard_database(0), world.root, world.shard.lease)
    assert [mailbox.phase for mailbox in owner.catalog.mailboxes(0)] == [Phase.RECONCILE]


def test_new_databases_beside_an_old_archive_sweep_nothing(world: World) -> None:
    ann = world.user("ann@example.com")
    name = world.shard.store(ann, *mails(1))
    world.roll_up()

    owner = world.open(world.fresh(), 1)

    assert sweep(owner.blobs, owner.catalog, owner.lease, 2e9, 0, -1) == []
    assert (world.root / (name + RAW_SUFFIX)).exists()


def test_without_a_roll_up_every_message_is_there_once_and_its_mailbox_is_listed_again(world: World) -> None:
    ann = world.user("ann@example.com")
    world.shard.store(ann, *mails(1, 2))
    world.shard.store(ann, *mails(3))
    world.compact()  # the merged files lie beside those that they were made of

    databases, done = world.rebuild(addresses={ann: "Ann@example.com"})

    [mailbox] = Shard(databases.shard_database(0), world.root, world.shard.lease).catalog.mailboxes(0)
    assert (mailbox.email, mailbox.phase, mailbox.cursor) == ("ann@example.com", Phase.RECONCILE, None)
    assert (mailbox.messages, done.segments, done.retired) == (3, 1, 2)
    world.intact(databases, ann, mails(1, 2, 3))


def test_an_uncommitted_file_gives_only_what_nobody_else_has(world: World) -> None:
    ann = world.user("ann@example.com")
    shard = world.shard
    shard.write((ann, mails(2, 3)))  # never committed
    shard.store(ann, *mails(1, 2))
    shard.store(ann, *mails(4))

    databases, _ = world.rebuild(addresses={ann: "ann@example.com"})

    world.intact(databases, ann, mails(1, 2, 3, 4))
    owner = world.open(databases, shard.lease.epoch + 1)
    assert sweep(owner.blobs, owner.catalog, owner.lease, 2e9, 0, -1) == []
    world.intact(databases, ann, mails(1, 2, 3, 4))
    assert [mailbox.messages for mailbox in owner.catalog.mailboxes(0)] == [4]
    merged, moved = merge(
        owner.blobs, owner.archive, 0, owner.lease.epoch, [s.name for s in Compactions(owner.engine).live(0)]
    )
    assert Compactions(owner.engine).commit(owner.lease, merged, moved)
    world.intact(databases, ann, mails(1, 2, 3, 4))


def test_a_damaged_file_is_named_and_kept_and_the_rest_is_rebuilt(world: World) -> None:
    ann = world.user("ann@example.com")
    world.shard.store(ann, *mails(1))
    broken = world.shard.store(ann, *mails(2))
    world.roll_up()
    path, whole = world.root / (broken + PARQUET_SUFFIX), (world.root / (broken + PARQUET_SUFFIX)).read_bytes()
    raw = (world.root / (broken + RAW_SUFFIX)).read_bytes()
    path.write_bytes(path.read_bytes()[:-20])
    os.truncate(world.root / (broken + RAW_SUFFIX), 100)

    databases, done = world.rebuild()

    assert [name for name, _ in done.damaged] == [broken]
    world.intact(databases, ann, mails(1))
    owner = world.open(databases, world.shard.lease.epoch + 1)
    assert [mailbox.phase for mailbox in owner.catalog.mailboxes(0)] == [Phase.RECONCILE]
    sweep(owner.blobs, owner.catalog, owner.lease, 2e9, 0, 0)
    assert all((world.root / (broken + suffix)).exists() for suffix in SUFFIXES)

    path.write_bytes(whole)
    (world.root / (broken + RAW_SUFFIX)).write_bytes(raw)
    again = reconcile(databases, {0: 0}, owner.blobs, owner.archive)

    assert (again.damaged, again.segments, again.messages, again.mailboxes) == ([], 1, 1, 0)
    world.intact(databases, ann, mails(1, 2))
    once_more = reconcile(databases, {0: 0}, owner.blobs, owner.archive)
    assert (once_more.segments, once_more.messages, once_more.events, once_more.relisted) == (0, 0, 0, 0)


def test_mail_newer_than_the_last_roll_up_is_found(world: World) -> None:
    ann = world.user("ann@example.com")
    world.shard.store(ann, *mails(1, 2))
    world.roll_up()
    bob = world.user("bob@example.com")
    world.shard.store(ann, *mails(3))
    world.shard.store(bob, *mails(7))
    world.compact()

    databases, done = world.rebuild()

    world.intact(databases, ann, mails(1, 2, 3))
    world.intact(databases, bob, mails(7))
    assert done.unnamed == [bob]


def test_a_commit_goes_on_where_the_rebuilt_mailbox_stands(world: World) -> None:
    ann = world.user("ann@example.com")
    world.shard.store(ann, *mails(1))
    world.roll_up()
    databases, _ = world.rebuild()

    owner = world.open(databases, world.shard.lease.epoch + 1)
    assert owner.catalog.unknown(ann, [1, 2]) == [2]
    update = MailboxUpdate(ann, Phase.CURRENT, 30, None, 5)
    assert owner.catalog.commit(Commit(0, owner.lease.owner, owner.lease.epoch, mailboxes=(update,)))
