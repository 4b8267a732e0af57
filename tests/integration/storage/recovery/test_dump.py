"""A backup gives every row back, and an archive that is newer than it loses nothing."""

from pathlib import Path

import pytest
from sqlalchemy import text

from storage.catalog.leases import LeaseHeld
from storage.control.control import Control
from storage.db.engines import Databases, transaction
from storage.recovery.backup_manifest import BackupUnusable, read_manifest
from storage.recovery.dump import back_up, restore
from storage.recovery.rebuild import reconcile
from storage.segments.garbage_collection import sweep
from tests.integration.storage.factory import echo
from tests.integration.storage.recovery.test_rebuild import LONG, World, mails, world

__all__ = ["world"]


def everything(databases: Databases) -> dict[str, list[object]]:
    """All rows of all tables."""
    found: dict[str, list[object]] = {}
    for name, engine in (("control", databases.control), ("shard0", databases.shard_database(0))):
        with transaction(engine) as connection:
            tables = connection.execute(
                text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
            ).scalars()
            for table in tables.all():
                rows = connection.execute(text(f'SELECT * FROM "{table}"'))
                found[f"{name}.{table}"] = sorted(map(tuple, rows), key=repr)
    return found


def filled(world: World) -> int:
    user_id = world.user("ann@example.com")
    Control(world.databases.control).save_credentials(user_id, b"sealed")
    world.shard.store(user_id, *mails(1, 2, text=LONG), analyse=echo)
    world.shard.store(user_id, *mails(3, text=LONG))
    world.compact()
    world.shard.change(user_id, (1, "STARRED", True))
    world.roll_up()
    return user_id


def test_every_row_comes_back_and_ids_go_on(world: World, tmp_path: Path) -> None:
    user_id = filled(world)
    dumped = back_up(world.databases, tmp_path / "backup")
    before = everything(world.databases)

    fresh = world.fresh()
    restore(fresh, tmp_path / "backup")

    after = everything(fresh)
    assert after.pop("shard0.leases") != before.pop("shard0.leases")  # nobody begins before the archive was looked at
    assert after == before
    assert before["shard0.analyses"], "the table travels, too"
    assert dumped.rows > 10
    assert Control(fresh.control).add_user("new@example.com").user_id == user_id + 1
    files = [found for found in (tmp_path / "backup").rglob("*") if found.is_file()]
    assert {found.stat().st_mode & 0o777 for found in files} == {0o600}
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    assert [found.name for found in tmp_path.iterdir()] == ["backup"]


def test_the_ids_of_rows_that_retention_removed_are_not_given_out_again(world: World, tmp_path: Path) -> None:
    filled(world)
    for engine, table in ((world.databases.shard_database(0), "outbox"), (world.databases.control, "audit")):
        with transaction(engine) as connection:
            connection.execute(text(f"DELETE FROM {table}"))
    back_up(world.databases, tmp_path / "backup")
    fresh = world.fresh()
    restore(fresh, tmp_path / "backup")

    for engine, former, sequence in (
        (fresh.shard_database(0), world.databases.shard_database(0), "outbox_event_ids"),
        (fresh.control, world.databases.control, "audit_entry_ids"),
    ):
        with transaction(former) as connection:
            last = connection.execute(text(f"SELECT last_value FROM {sequence}")).scalar_one()
        with transaction(engine) as connection:
            assert connection.execute(text(f"SELECT nextval('{sequence}')")).scalar_one() == last + 1


def test_a_damaged_or_cut_backup_is_refused_before_anything_changes(world: World, tmp_path: Path) -> None:
    filled(world)
    back_up(world.databases, tmp_path / "backup")
    before = everything(world.databases)
    file = tmp_path / "backup" / "shard0" / "messages.copy.zst"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)

    with pytest.raises(BackupUnusable, match=r"messages.copy.zst is damaged"):
        restore(world.databases, tmp_path / "backup")
    file.unlink()
    with pytest.raises(BackupUnusable, match="incomplete"):
        restore(world.databases, tmp_path / "backup")
    with pytest.raises(BackupUnusable, match="exists"):
        back_up(world.databases, tmp_path / "backup")
    with pytest.raises(BackupUnusable, match="incomplete"):
        read_manifest(tmp_path)
    assert everything(world.databases) == before


@pytest.mark.parametrize("compact", [False, True])
def test_mail_that_is_newer_than_the_backup_is_taken_in(world: World, tmp_path: Path, compact: bool) -> None:
    ann = world.user("ann@example.com")
    world.shard.store(ann, *mails(1, 2))
    back_up(world.databases, tmp_path / "backup")
    world.shard.store(ann, *mails(3))
    world.shard.change(ann, (1, "STARRED", True))
    bob = world.user("bob@example.com")
    world.shard.store(bob, *mails(7))
    world.roll_up()
    if compact:  # what the backup's catalogue names is gone then
        world.compact()
        sweep(world.shard.blobs, world.shard.catalog, world.shard.lease, 2e9, 0, -1)

    fresh = world.fresh()
    restore(fresh, tmp_path / "backup")
    with pytest.raises(LeaseHeld):
        world.open(fresh, 1)
    done = reconcile(fresh, {0: 0}, world.shard.blobs, world.shard.archive)

    assert (done.damaged, done.missing, done.unnamed) == ([], [], [])
    owner = world.open(fresh, world.shard.lease.epoch + 1)
    assert sweep(owner.blobs, owner.catalog, owner.lease, 2e9, 0, -1) == []
    world.intact(fresh, ann, mails(1, 2, 3))
    world.intact(fresh, bob, mails(7))
    assert [(m.user_id, m.email, m.messages) for m in owner.catalog.mailboxes(0)] == [
        (ann, "ann@example.com", 3),
        (bob, "bob@example.com", 1),
    ]
    assert Control(fresh.control).add_user("new@example.com").user_id > bob
    with transaction(owner.engine) as connection:
        assert connection.execute(text("SELECT message_id, label_id FROM label_events")).all() == [(1, "STARRED")]
