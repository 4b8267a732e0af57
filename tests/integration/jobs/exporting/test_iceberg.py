"""The archive as Iceberg tables: no mail is copied, and what they count is what the reader counts."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from jobs.exporting.destination import DestinationTaken
from jobs.exporting.iceberg import IcebergMissing, export_iceberg
from jobs.exporting.records import Report
from storage.db.engines import Databases
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.model.mail_query import MailQuery
from storage.model.records import DELETED
from tests.integration.jobs.exporting.conftest import new_databases
from tests.integration.storage.factory import Mail, Shard


@pytest.fixture
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    """Databases of one test alone: the tables are of everything in them."""
    with new_databases(postgres) as databases:
        yield databases


def export(shard: Shard, databases: Databases, path: Path, **options: object) -> Report:
    engines = [databases.shard_database(index) for index in range(databases.shard_databases)]
    addresses = {number: f"user{number}@example.com" for number in range(1000)}
    return export_iceberg(engines, shard.blobs, addresses, path, **options)  # type: ignore[arg-type]


@contextmanager
def opened(path: Path) -> Iterator[SqlCatalog]:
    with closing(SqlCatalog("gbm", uri=f"sqlite:///{path}/catalog.db", warehouse=path.as_uri())) as catalog:
        yield catalog


def table(path: Path, name: str) -> pa.Table:
    with opened(path) as catalog:
        return catalog.load_table(f"gbm.{name}").scan().to_arrow()


def test_the_tables_are_the_archive_and_its_states(shard: Shard, databases: Databases, tmp_path: Path) -> None:
    ann, bob = shard.user(), shard.user()
    manifest, index = shard.write((ann, [Mail(1), Mail(2)]), (bob, [Mail(1, subject="Bob's")]))
    shard.catalog.commit(shard.plan([ann, bob], manifest), index)
    before = shard.reader(ann).present()
    shard.store(bob, Mail(5, text="x" * 3000, labels=()))
    shard.change(ann, (1, "STARRED", True), (2, DELETED, True))

    report = export(shard, databases, tmp_path / "now")
    export(shard, databases, tmp_path / "then", as_of=before)

    mail, states = table(tmp_path / "now", "mail"), table(tmp_path / "now", "states")
    states_seen = [shard.reader(user).state() for user in (ann, bob)]
    assert mail.num_rows == states.num_rows == report.messages == sum(s.messages for s in states_seen if s) == 4
    assert pc.sum(mail["size_bytes"]).as_py() == report.size_bytes == sum(s.size_bytes for s in states_seen if s)
    carried = {(row["mailbox"], row["message_id"]): row for row in states.to_pylist()}
    anns = f"user{ann}@example.com"
    assert sorted(carried[anns, 1]["labels"]) == ["INBOX", "STARRED"]
    assert carried[anns, 2]["deleted_at"] is not None
    then = table(tmp_path / "then", "states").to_pylist()
    assert {(row["mailbox"], row["message_id"]) for row in then} == carried.keys() - {(f"user{bob}@example.com", 5)}
    assert all((row["labels"], row["deleted_at"]) == (["INBOX"], None) for row in then)
    copied = {path.name for path in (tmp_path / "now").rglob("*.parquet")}
    numbers = range(databases.shard_databases)
    assert copied == {f"{name}-{number:05d}.parquet" for number in numbers for name in ("states", "events")}
    assert table(tmp_path / "now", "events").num_rows == 2


def test_duckdb_reads_the_archives_own_files_with_the_states(
    shard: Shard, databases: Databases, tmp_path: Path
) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2, subject="It's"))
    shard.change(user, (2, "INBOX", False))
    export(shard, databases, tmp_path / "it's out")

    with duckdb.connect() as duck:
        duck.execute((tmp_path / "it's out" / "view.sql").read_text())
        rows = duck.sql("SELECT mailbox, message_id, subject, labels, deleted_at FROM mail ORDER BY ALL").fetchall()
    address = f"user{user}@example.com"
    assert rows == [(address, 1, "Hello", ["INBOX"], None), (address, 2, "It's", [], None)]


def test_duckdb_folds_the_log_as_the_reader_does(shard: Shard, databases: Databases, tmp_path: Path) -> None:
    user = shard.user()
    reader = shard.reader(user)
    shard.store(user, Mail(1, labels=("INBOX", "UNREAD")), Mail(2, labels=()))
    moments = [reader.present()]
    for history_id, changes in enumerate(
        (
            [(1, "UNREAD", False), (2, "Label_1", True), (2, DELETED, True)],
            [(1, "UNREAD", True), (2, DELETED, False), (1, "INBOX", False)],
            [(2, "Label_1", False), (1, DELETED, True)],
        ),
        start=20,
    ):
        shard.change(user, *changes, history_id=history_id)
        shard.store(user, Mail(history_id))
        moments.append(reader.present())
    export(shard, databases, tmp_path / "out")

    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute((tmp_path / "out" / "view.sql").read_text())
        for moment in moments:
            found = duck.execute(
                "SELECT message_id, list_sort(labels), CAST(deleted_at AS TEXT) FROM mail_at(?) ORDER BY ALL", [moment]
            ).fetchall()
            shown = reader.emails(MailQuery(include_spam_trash=True, include_deleted=True, as_of=moment)).items
            expected = [(int(mail.id, 16), list(mail.labels), mail.deleted_at) for mail in shown]
            assert [row[:2] for row in found] == sorted(row[:2] for row in expected)
            at = {number: deleted_at for number, _, deleted_at in expected}
            assert {row[0]: row[2] and datetime.fromisoformat(row[2]) for row in found} == at


def test_a_damaged_file_is_named_and_left_out(shard: Shard, databases: Databases, tmp_path: Path) -> None:
    user = shard.user()
    names = [shard.store(user, Mail(number)) for number in (1, 2, 3)]
    (shard.root / f"{names[0]}.parquet").unlink()
    (shard.root / f"{names[1]}.parquet").write_bytes(b"PAR1")

    report = export(shard, databases, tmp_path / "out")

    assert [damage.id for damage in report.damaged] == names[:2]
    assert table(tmp_path / "out", "mail")["message_id"].to_pylist() == [3]
    assert len(orjson.loads((tmp_path / "out" / "export.json").read_bytes())["damaged"]) == 2


def test_an_archive_without_mail_has_empty_tables(shard: Shard, databases: Databases, tmp_path: Path) -> None:
    export(shard, databases, tmp_path / "out")

    assert [table(tmp_path / "out", name).num_rows for name in ("mail", "states", "events")] == [0, 0, 0]


def test_it_is_made_anew_when_told_to_and_kept_when_that_fails(
    shard: Shard, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(shard, databases, tmp_path / "out")
    shard.store(shard.user(), Mail(1))

    with pytest.raises(DestinationTaken):
        export(shard, databases, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(SqlCatalog, "create_table", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export(shard, databases, tmp_path / "out", force=True)
    assert table(tmp_path / "out", "mail").num_rows == 0
    export(shard, databases, tmp_path / "out", force=True)
    assert table(tmp_path / "out", "mail").num_rows == 1


def test_without_pyiceberg_it_says_what_to_install(
    shard: Shard, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog.sql", None)

    with pytest.raises(IcebergMissing, match=r"pip install 'gmail-backup-manager\[iceberg\]'"):
        export(shard, databases, tmp_path / "out")
    assert not (tmp_path / "out").exists()
