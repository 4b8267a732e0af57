"""An export holds exactly what was selected, as it was at one moment, and names what it could not read."""

import hashlib
import mailbox
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from jobs.exporting.export import Mailbox, export_messages, export_parquet
from jobs.exporting.records import ExportSource, Report
from storage.db.engines import transaction
from storage.model.records import DELETED
from tests.integration.storage.factory import NOON, Mail, Shard
from tests.unit.jobs.exporting.recipe import exact_messages

AWKWARD = b"From nobody\r\n>From me\r\n\r\nFrom here on\n>>From there\r\nno newline at the end \xff\x00"


def chosen(shard: Shard, user: int, as_of: datetime | None = None, query: str = "", deleted: bool = False) -> Mailbox:
    reader = shard.reader(user)
    labels = {"Label_1": "Müller, \r\nBcc: x"}
    return ExportSource(f"user{user}@example.com", as_of or reader.present(), query, deleted, labels), reader


@pytest.fixture
def user(shard: Shard) -> int:
    """A mailbox in two segments; since they were stored, one message is starred, one deleted, one in Trash."""
    user = shard.user()
    day = timedelta(days=1)
    shard.store(user, Mail(1, labels=("INBOX", "UNREAD")), Mail(2, content=AWKWARD, received_at=NOON + day))
    shard.store(user, Mail(3, received_at=NOON + 2 * day), Mail(-4, subject="Draft", labels=("DRAFT", "Label_1")))
    shard.change(user, (1, "STARRED", True), (2, "TRASH", True), (3, DELETED, True))
    return user


def contents(kind: str, path: Path) -> dict[int, bytes]:
    """The exact bytes in an export, by the number of the message."""
    if kind == "mbox":
        return {number: raw for number, _, raw in exact_messages(path.read_bytes())}
    lines = [orjson.loads(line) for line in (path / "messages.jsonl").read_bytes().splitlines()]
    return {int(line["id"], 16): (path / line["file"]).read_bytes() for line in lines}


@pytest.mark.parametrize("kind", ["mbox", "eml", "maildir"])
def test_exact_bytes_come_back(shard: Shard, user: int, tmp_path: Path, kind: str) -> None:
    report = export_messages(kind, chosen(shard, user), shard.blobs, tmp_path / "out")

    expected = {1: Mail(1).raw, 2: AWKWARD, (1 << 64) - 4: Mail(-4, subject="Draft").raw}
    assert contents(kind, tmp_path / "out") == expected
    assert (report.messages, report.size_bytes, report.damaged) == (3, sum(map(len, expected.values())), [])
    made = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert [path.name for path in made if path.stat().st_mode & 0o077] == []
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "out"}


def test_an_export_is_of_its_moment(shard: Shard, user: int, tmp_path: Path) -> None:
    before = shard.reader(user).present()
    shard.change(user, (2, "TRASH", False), (1, "INBOX", False), (3, DELETED, False), history_id=30)
    mailbox_then = chosen(shard, user, before)

    def sync_goes_on(report: Report) -> None:
        if report.messages == 3:
            shard.store(user, Mail(9))

    export_messages("maildir", mailbox_then, shard.blobs, tmp_path / "then", on_batch=sync_goes_on)
    export_messages("maildir", chosen(shard, user), shard.blobs, tmp_path / "now")

    def flags(path: Path) -> dict[str, str]:
        return {key.split(".")[1]: mail.get_flags() for key, mail in mailbox.Maildir(path).iteritems()}

    assert flags(tmp_path / "then") == {"1": "F", "2": "ST", "fffffffffffffffc": "DS"}
    assert flags(tmp_path / "now") == {"1": "F", "2": "S", "3": "S", "9": "S", "fffffffffffffffc": "DS"}
    manifest = orjson.loads((tmp_path / "then" / "export.json").read_bytes())
    [told] = manifest["mailboxes"].values()
    assert (manifest["messages"], datetime.fromisoformat(told["as_of"])) == (3, before)


def test_a_search_selects_and_deleted_mail_comes_when_asked_for(shard: Shard, user: int, tmp_path: Path) -> None:
    asked: dict[str, tuple[str, bool]] = {
        "all": ("", True),
        "search": ("subject:hello", True),
        "trash": ("in:trash", False),
        "nothing": ("subject:nowhere", True),
    }
    found = {}
    for name, (query, deleted) in asked.items():
        export_messages("eml", chosen(shard, user, None, query, deleted), shard.blobs, tmp_path / name)
        found[name] = sorted(contents("eml", tmp_path / name))

    assert found == {"all": [1, 2, 3, (1 << 64) - 4], "search": [1, 3], "trash": [2], "nothing": []}


def test_labels_stand_in_headers_that_no_label_name_can_break(shard: Shard, user: int, tmp_path: Path) -> None:
    export_messages("mbox", chosen(shard, user), shard.blobs, tmp_path / "out")

    heads = {number: head for number, head, _ in exact_messages((tmp_path / "out").read_bytes())}
    draft = heads[(1 << 64) - 4]
    assert orjson.loads(draft["X-GBM-Labels"]) == ["DRAFT", "Label_1"]
    assert "Bcc" not in draft
    assert heads[2]["X-GBM-Received"] == "2024-05-02T12:00:00+00:00"
    assert heads[2]["X-GBM-Sha256"] == hashlib.sha256(AWKWARD).hexdigest()


@pytest.mark.parametrize("how", [Path.unlink, lambda path: path.write_bytes(bytes(path.stat().st_size))])
@pytest.mark.parametrize("kind", ["eml", "parquet"])
def test_what_is_damaged_is_named_and_the_rest_exported(
    shard: Shard, tmp_path: Path, kind: str, how: Callable[[Path], None]
) -> None:
    user = shard.user()
    names = [shard.store(user, Mail(number), Mail(number + 10)) for number in (1, 2, 3)]
    suffix = ".raw.zst" if kind == "eml" else ".parquet"
    how(shard.root / f"{names[1]}{suffix}")

    source = chosen(shard, user)
    if kind == "eml":
        report = export_messages("eml", source, shard.blobs, tmp_path / "out")
    else:
        report = export_parquet([source], tmp_path / "out")

    assert report.messages == 4
    assert {(damage.email, damage.id) for damage in report.damaged} == {(source[0].email, "2"), (source[0].email, "c")}
    assert all(names[1] in damage.reason for damage in report.damaged)
    manifest = orjson.loads((tmp_path / "out" / "export.json").read_bytes())
    assert [damage["id"] for damage in manifest["damaged"]] == [damage.id for damage in report.damaged]


@pytest.mark.parametrize("kind", ["eml", "parquet"])
def test_a_segment_whose_name_leads_out_of_the_archive_is_refused_by_name(
    shard: Shard, tmp_path: Path, kind: str
) -> None:
    user = shard.user()
    names = [shard.store(user, Mail(number)) for number in (1, 2)]
    outside = f"../{names[0].replace('/', '-')}"
    with transaction(shard.engine) as connection:
        values = {"outside": outside, "name": names[0]}
        connection.execute(text("UPDATE segments SET name = :outside WHERE name = :name"), values)

    source = chosen(shard, user)
    if kind == "eml":
        report = export_messages("eml", source, shard.blobs, tmp_path / "out")
    else:
        report = export_parquet([source], tmp_path / "out")

    assert report.messages == 1
    [damage] = report.damaged
    assert outside in damage.reason and "leads out of the archive" in damage.reason


def test_parquet_has_every_mailbox_with_the_labels_of_the_moment(
    shard: Shard, user: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shard.user()
    shard.store(other, Mail(1, subject="Other", sender="Öl <oel@example.com>"))
    report = export_parquet([chosen(shard, user, deleted=True), chosen(shard, other)], tmp_path / "out")

    monkeypatch.chdir(tmp_path / "out")
    with duckdb.connect() as duck:
        duck.execute(Path("view.sql").read_text())
        rows = duck.sql(
            "SELECT mailbox, message_id, subject, labels, deleted_at IS NULL, size_bytes FROM mail ORDER BY ALL"
        ).fetchall()
    mine, theirs = (f"user{number}@example.com" for number in (user, other))
    assert [row[:5] for row in rows] == [
        (mine, -4, "Draft", ["DRAFT", "Label_1"], True),
        (mine, 1, "Hello", ["INBOX", "STARRED", "UNREAD"], True),
        (mine, 2, "", ["INBOX", "TRASH"], True),
        (mine, 3, "Hello", ["INBOX"], False),
        (theirs, 1, "Other", ["INBOX"], True),
    ]
    assert sum(row[5] for row in rows) == report.size_bytes
    assert pq.read_table("mail-00000.parquet", columns=["headers", "attachments", "deleted_at"]).num_rows == 5


def test_an_export_of_nothing_can_be_asked(shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_parquet([chosen(shard, shard.user())], tmp_path / "out")

    monkeypatch.chdir(tmp_path / "out")
    with duckdb.connect() as duck:
        duck.execute(Path("view.sql").read_text())
        assert duck.sql("SELECT count(*) FROM mail").fetchall() == [(0,)]
