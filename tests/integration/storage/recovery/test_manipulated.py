"""A backup or roll-up that somebody manipulated is refused by name; nothing in it becomes a path or a statement."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import errors
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from storage.db.engines import transaction
from storage.db.restricted_role import RoleTooPowerful, rows_only
from storage.recovery.backup_manifest import BackupUnusable
from storage.recovery.dump import back_up, restore
from storage.recovery.rollup_reader import rolled_of
from storage.recovery.rollup_writer import TABLES
from storage.segments.file_names import ROLLUP_SUFFIX
from tests.integration.storage.recovery.test_dump import everything, filled
from tests.integration.storage.recovery.test_rebuild import World, world

__all__ = ["world"]

Change = Callable[[dict[str, Any]], None]


def manipulated(folder: Path, change: Change) -> None:
    document = orjson.loads((folder / "manifest.json").read_bytes())
    change(document)
    (folder / "manifest.json").write_bytes(orjson.dumps(document))


def with_program(mark: Path) -> Change:
    """A table whose name ends the identifier, so that the server would start a program."""

    def change(document: dict[str, Any]) -> None:
        name = f"""users" FROM PROGRAM 'touch {mark}' --"""
        for columns in ([], ["user_id"]):
            table = {**document["databases"]["control"]["tables"][0], "table": name, "columns": columns}
            document["databases"]["control"]["tables"].append(table)

    return change


def first(document: dict[str, Any]) -> dict[str, Any]:
    table: dict[str, Any] = document["databases"]["shard0"]["tables"][0]
    return table


CHANGES: dict[str, tuple[Change, str]] = {
    "an unknown table": (
        lambda d: first(d).update(table="pg_authid", file="shard0/pg_authid.copy.zst"),
        "incomplete|unknown table pg_authid",
    ),
    "no columns": (lambda d: first(d).update(columns=[]), "has no columns"),
    "a column that is a statement": (lambda d: first(d).update(columns=['a") FROM PROGRAM']), "has a column with the"),
    "an absolute path": (lambda d: first(d).update(file="/etc/passwd"), "names the file /etc/passwd"),
    "a path upwards": (lambda d: first(d).update(file="shard0/../../x"), r"names the file shard0/../../x"),
    "a database that is a path": (lambda d: d["databases"].update({"../x": d["databases"]["shard0"]}), r"name ../x"),
    "a revision that is a range": (lambda d: d["databases"]["shard0"].update(revision="0001:head"), "revision 0001:h"),
    "a revision of no release": (lambda d: d["databases"]["shard0"].update(revision="0000"), "which no release had"),
    "a sequence that is text": (lambda d: d["databases"]["shard0"].update(sequences={"s": "1); --"}), "its sequence s"),
    "tables that are a number": (lambda d: d["databases"]["shard0"].update(tables=7), "TypeError"),
    "nothing but a list": (lambda d: d.update(databases=[]), "AttributeError"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_manipulated_backup_is_refused_by_name_and_changes_nothing(world: World, tmp_path: Path, name: str) -> None:
    filled(world)
    back_up(world.databases, tmp_path / "backup")
    before = everything(world.databases)
    change, reason = CHANGES[name]
    manipulated(tmp_path / "backup", change)

    with pytest.raises(BackupUnusable, match=reason):
        restore(world.databases, tmp_path / "backup")

    assert everything(world.databases) == before


def test_a_table_whose_name_carries_a_program_starts_none(world: World, tmp_path: Path) -> None:
    back_up(world.databases, tmp_path / "backup")
    mark = tmp_path / "ran"
    tmp_path.chmod(0o777)
    manipulated(tmp_path / "backup", with_program(mark))

    with pytest.raises(BackupUnusable, match=r"a table with the name users\" FROM PROGRAM"):
        restore(world.databases, tmp_path / "backup")

    assert not mark.exists()


def test_a_link_in_a_backup_is_not_followed(world: World, tmp_path: Path) -> None:
    back_up(world.databases, tmp_path / "backup")
    (tmp_path / "backup" / "shard0").rename(tmp_path / "elsewhere")
    (tmp_path / "backup" / "shard0").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BackupUnusable, match="shard0 is a link"):
        restore(world.databases, tmp_path / "backup")


def test_rows_that_name_files_outside_of_the_archive_are_refused(world: World, tmp_path: Path) -> None:
    filled(world)
    with transaction(world.databases.shard_database(0)) as connection:
        connection.execute(text("UPDATE segments SET name = '../../etc/passwd' WHERE segment_id = 1"))
    back_up(world.databases, tmp_path / "backup")
    fresh = world.fresh()
    before = everything(fresh)

    with pytest.raises(BackupUnusable, match=r"segments of its shard0 database records a file with the name \.\./"):
        restore(fresh, tmp_path / "backup")

    assert everything(fresh) == before


def test_rows_are_loaded_by_a_role_that_may_not_start_programs(world: World) -> None:
    """The embedded server's account is a superuser: the same statement runs outside of the block."""
    program = text("COPY users (email) FROM PROGRAM 'true'")
    with transaction(world.databases.control) as connection:
        connection.execute(program)

    with (
        pytest.raises(ProgrammingError) as refused,
        transaction(world.databases.control) as connection,
        rows_only(connection),
    ):
        connection.execute(program)

    assert isinstance(refused.value.orig, errors.InsufficientPrivilege)
    with transaction(world.databases.control) as connection, rows_only(connection):
        assert connection.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")).scalar() is False
    with transaction(world.databases.control) as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'gbm_rows_%'")).scalar() == 0


def test_an_account_that_cannot_give_up_its_rights_is_refused(world: World) -> None:
    with transaction(world.databases.control) as connection:
        connection.execute(text("CREATE ROLE runner NOLOGIN"))
        connection.execute(text("GRANT pg_execute_server_program TO runner"))
        connection.execute(text("SET LOCAL ROLE runner"))
        with pytest.raises(RoleTooPowerful, match="runner"), rows_only(connection):
            raise AssertionError("not reached")
        connection.rollback()


def parts_of(rollup: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(rollup) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(rollup: Path, parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(rollup, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def other_columns() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"user_id": ["1"]}), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"manifest.json": b" " * (1 << 20)}, "its manifest is too large"),
        ({"manifest.json": b"[]"}, "list indices"),
        ({"manifest.json": b'{"version": 1, "epoch": "1", "number": 1, "event_id": 1}'}, "an impossible number"),
        ({"../../x": b""}, "its files are not those of a roll-up"),
        ({"events.parquet": other_columns()}, "events.parquet in it has other columns"),
        ({"events.parquet": b"PAR1"}, "Parquet"),
    ],
)
def test_a_manipulated_roll_up_is_reported_by_name(world: World, change: dict[str, bytes], reason: str) -> None:
    filled(world)
    rollup = next(world.root.rglob(f"*{ROLLUP_SUFFIX}"))
    packed(rollup, {**parts_of(rollup), **change})

    readable, damaged = rolled_of(world.shard.blobs, 0)

    assert readable == []
    assert [name for name, _ in damaged] == [rollup.relative_to(world.root).as_posix()]
    assert reason in damaged[0][1]


def test_a_roll_up_that_inflates_is_not_inflated(world: World) -> None:
    filled(world)
    rollup = next(world.root.rglob(f"*{ROLLUP_SUFFIX}"))
    packed(rollup, {**parts_of(rollup), "manifest.json": b" " * (32 << 20)}, zipfile.ZIP_DEFLATED)

    (_, reason), *_ = rolled_of(world.shard.blobs, 0)[1]

    assert "in it is compressed" in reason
    assert set(TABLES) == {name.removesuffix(".parquet") for name in parts_of(rollup)} - {"manifest.json"}


def test_a_roll_up_that_says_it_is_encrypted_is_reported_by_name(world: World) -> None:
    filled(world)
    rollup = next(world.root.rglob(f"*{ROLLUP_SUFFIX}"))
    content = bytearray(rollup.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # a flag of the last entry of the directory
    rollup.write_bytes(content)

    readable, [(name, reason)] = rolled_of(world.shard.blobs, 0)

    assert readable == [] and name == rollup.relative_to(world.root).as_posix() and "encrypted" in reason


def test_a_pipe_in_a_backup_is_not_waited_for(world: World, tmp_path: Path) -> None:
    back_up(world.databases, tmp_path / "backup")
    file = next(path for path in (tmp_path / "backup" / "shard0").iterdir())
    file.unlink()
    os.mkfifo(file)

    with pytest.raises(BackupUnusable, match="is not a file"):
        restore(world.databases, tmp_path / "backup")
