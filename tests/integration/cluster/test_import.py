"""`gbm import`: mail of other programs in the archive, once, with its origins."""

import io
import sqlite3
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from cluster.mail_import import Imported, import_mail
from cluster.stores import Stores
from storage.catalog.leases import REBUILDING, acquire, release
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.model.mail_query import MailQuery
from storage.verification.verification import Verification
from tests.integration.cluster.conftest import gbm
from tests.integration.storage.factory import Mail, Shard

BOB = "bob@example.com"


def mail(number: int, more: str = "") -> bytes:
    return (
        f"From: Ann <ann@example.com>\r\nTo: bob@example.com\r\nSubject: Number {number}\r\n"
        f"Date: Mon, 5 Jan 2026 10:{number % 60:02d}:00 +0000\r\nMessage-ID: <{number}@example.com>\r\n{more}\r\n"
        f"Hello, word{number}.\r\nFrom now on, this is a sentence.\r\n"
    ).encode()


def takeout(path: Path, count: int, first: int = 1) -> list[int]:
    """A Takeout file; Gmail's ids of its messages."""
    ids = [1598765432109870000 + number for number in range(first, first + count)]
    with path.open("wb") as file:
        for message_id, number in zip(ids, range(first, first + count), strict=True):
            file.write(f"From {message_id}@xxx Mon Jan 05 10:{number % 60:02d}:00 +0000 2026\r\n".encode())
            file.write(f"X-GM-THRID: {message_id}\r\nX-Gmail-Labels: Posteingang,Ungelesen,Reisen\r\n".encode())
            file.write(mail(number).replace(b"\nFrom now", b"\n>From now") + b"\r\n")
    return ids


def run(*arguments: str) -> Any:
    result = gbm("import", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def raws(stores: Stores, email: str = BOB) -> dict[int, bytes]:
    reader = stores.reader(stores.control.user(email))
    found = {}
    for batch in reader.select("", reader.present(), True, 1000):
        for each in batch:
            found[each.message_id] = reader.raw(each.message_id)
    return found  # type: ignore[return-value]


def origins(stores: Stores, email: str = BOB) -> list[tuple[str, str]]:
    user = stores.control.user(email)
    with transaction(stores.catalog(user).engine) as connection:
        statement = "SELECT origin, known_by FROM message_origins WHERE user_id = :id ORDER BY import_id, position"
        return [(row.origin, row.known_by) for row in connection.execute(text(statement), {"id": user.user_id})]


def test_a_takeout_becomes_a_mailbox_that_is_listed_searched_exported_and_verified(
    stores: Stores, tmp_path: Path
) -> None:
    ids = takeout(tmp_path / "All.mbox", 30)

    assert gbm("import", BOB, str(tmp_path / "All.mbox")).exit_code == 1, "a mistyped address makes no mailbox"
    done = run(BOB, str(tmp_path / "All.mbox"), "--new")

    assert (done["messages"], done["stored"], done["duplicates"], done["new_labels"]) == (30, 30, 0, ["Reisen"])
    assert raws(stores) == {message_id: mail(number) for number, message_id in enumerate(ids, 1)}
    user = stores.control.user(BOB)
    reader = stores.reader(user)
    [found] = reader.emails(MailQuery("word7 in:inbox is:unread label:reisen", (), False, False)).items
    assert (found.subject, found.date.minute) == ("Number 7", 7)
    assert reader.state().messages == 30  # type: ignore[union-attr]
    assert gbm("export", BOB, "--format", "eml", "--out", str(tmp_path / "out")).exit_code == 0
    assert len(list((tmp_path / "out").rglob("*.eml"))) == 30
    verified = Verification(stores.catalog(user).engine, stores.blobs, user.shard_id, user.user_id).run()
    assert verified.is_whole
    assert verified.mailboxes[user.user_id].intact == 30

    again = run(BOB, str(tmp_path / "All.mbox"))
    assert (again["stored"], again["duplicates"]) == (30, 0), "it has ended: nothing is read again"


def test_a_cut_message_does_not_take_the_place_of_gmails(stores: Stores, tmp_path: Path) -> None:
    ids = takeout(tmp_path / "All.mbox", 3)
    content = (tmp_path / "All.mbox").read_bytes()
    (tmp_path / "cut.mbox").write_bytes(content[:-40])

    cut = run(BOB, str(tmp_path / "cut.mbox"), "--new")
    whole = run(BOB, str(tmp_path / "All.mbox"))

    assert (cut["stored"], whole["stored"], whole["duplicates"]) == (3, 1, 2)
    stored = raws(stores)
    assert {message_id: stored[message_id] for message_id in ids} == {
        message_id: mail(number) for number, message_id in enumerate(ids, 1)
    }
    [made] = stored.keys() - set(ids)
    assert mail(3).startswith(stored[made][:100]) and made < 0


def test_an_unfinished_rebuild_takes_no_import(stores: Stores, tmp_path: Path) -> None:
    takeout(tmp_path / "All.mbox", 3)
    user = stores.control.add_user(BOB)
    with transaction(stores.catalog(user).engine) as connection:
        connection.execute(query("lease_close"), {"shard_ids": [user.shard_id]})

    refused = gbm("import", BOB, str(tmp_path / "All.mbox"))

    assert refused.exit_code == 1
    assert REBUILDING in refused.output


def test_duplicates_are_known_by_id_content_and_headers_and_every_origin_is_kept(
    stores: Stores, tmp_path: Path
) -> None:
    takeout(tmp_path / "a.mbox", 3)
    folder = tmp_path / "eml"
    folder.mkdir()
    (folder / "same.eml").write_bytes(mail(1))
    (folder / "similar.eml").write_bytes(mail(2).replace(b"\r\n", b"\n") + b"a footer\n")
    (folder / "other.eml").write_bytes(mail(9))
    (folder / "other again.eml").write_bytes(mail(9))
    (folder / "revised.eml").write_bytes(mail(9) + b"another end\r\n")
    run(BOB, str(tmp_path / "a.mbox"), "--new")
    (tmp_path / "b.mbox").write_bytes((tmp_path / "a.mbox").read_bytes())

    second, third = run(BOB, str(tmp_path / "b.mbox")), run(BOB, str(folder))

    assert (second["stored"], second["duplicates"]) == (0, 3)
    assert (third["stored"], third["duplicates"]) == (2, 3), "of two that are not Gmail's, only the bytes decide"
    kinds = dict(origins(stores)[-4:]) | dict(origins(stores))
    assert kinds["same.eml"] == "content"
    assert kinds["similar.eml"] == "headers"
    assert {kinds["other.eml"], kinds["other again.eml"]} == {"stored", "content"}
    assert {kinds[f"b.mbox:{number}"] for number in range(3)} == {"id"}
    assert len(raws(stores)) == 5


def test_an_interrupted_import_goes_on_and_stores_nothing_twice(stores: Stores, tmp_path: Path) -> None:
    ids = takeout(tmp_path / "All.mbox", 50)
    user = stores.control.add_user(BOB)
    stores.catalog(user).open_mailbox(user.shard_id, user.user_id, user.email)
    archive = stores.config.archive.model_copy(update={"segment_messages": 7})
    small = replace(stores, config=stores.config.model_copy(update={"archive": archive}))
    seen: list[int] = []

    def stopped(done: Imported) -> None:
        seen.append(done.position)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_mail(small, user, tmp_path / "All.mbox", stopped)
    assert len(raws(stores)) == 21

    done = import_mail(small, user, tmp_path / "All.mbox", lambda done: seen.append(done.position))

    assert (done.position, done.stored, done.duplicates) == (50, 50, 0)
    assert seen == [7, 14, 21, 28, 35, 42, 49, 50]
    assert raws(stores).keys() == set(ids)


def test_an_import_works_beside_an_owner_and_survives_a_new_one(stores: Stores, tmp_path: Path) -> None:
    takeout(tmp_path / "All.mbox", 10)
    user = stores.control.add_user(BOB)
    catalog = stores.catalog(user)
    catalog.open_mailbox(user.shard_id, user.user_id, user.email)
    lease = acquire(catalog.engine, user.shard_id, "owner", "cluster", 60)
    written: list[str] = []

    def replaced(*arguments: Any) -> Any:
        from jobs.processing import write_segment

        if not written:  # the owner is replaced between the files and the commit
            written.append("once")
            result = write_segment(*arguments)
            acquire(catalog.engine, user.shard_id, "next", "cluster", 60)
            return result
        return write_segment(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cluster.mail_import.write_segment", replaced)
        done = import_mail(stores, user, tmp_path / "All.mbox", lambda _: None)

    assert done.stored == 10
    assert len(raws(stores)) == 10
    assert lease.owner == "owner"
    release(catalog.engine, lease)


def test_maildir_archives_and_got_your_back_are_read(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "box" / "cur").mkdir(parents=True)
    (tmp_path / "box" / "cur" / "1700000000.1.host:2,FS").write_bytes(mail(1))
    with tarfile.open(tmp_path / "mail.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("x/2.eml")
        info.size = len(mail(2))
        archive.addfile(info, io.BytesIO(mail(2)))
    with zipfile.ZipFile(tmp_path / "mail.zip", "w") as packed:
        packed.writestr("y/3.eml", mail(3))
        packed.writestr("readme.txt", "no mail")
    gyb = tmp_path / "GYB-GMail-Backup-bob"
    (gyb / "2026" / "1" / "5").mkdir(parents=True)
    (gyb / "2026/1/5/18b1c2d3e4f50607.eml").write_bytes(mail(4))
    with sqlite3.connect(gyb / "msg-db.sqlite") as database:
        database.executescript(
            """
            CREATE TABLE messages (message_num INTEGER PRIMARY KEY, message_filename TEXT, message_internaldate TEXT);
            CREATE TABLE labels (message_num INTEGER, label TEXT);
            CREATE TABLE uids (message_num INTEGER, uid TEXT PRIMARY KEY);
            INSERT INTO messages VALUES (1, '2026/1/5/18b1c2d3e4f50607.eml', '2026-01-05 11:00:00'),
                (2, '../../outside.eml', '2026-01-05 11:00:00');
            INSERT INTO labels VALUES (1, 'INBOX'), (1, 'Trips/Rome');
            INSERT INTO uids VALUES (1, '18b1c2d3e4f50607'), (2, '18b1c2d3e4f50608');
            """
        )

    run(BOB, str(tmp_path / "box"), "--new")
    run(BOB, str(tmp_path / "mail.tar.gz"))
    zipped = run(BOB, str(tmp_path / "mail.zip"))
    assert zipped["skipped"] == [{"name": "mail.zip/readme.txt", "reason": "it is no mail"}]
    assert run(BOB, str(gyb))["skipped"][0]["name"] == "../../outside.eml"

    reader = stores.reader(stores.control.user(BOB))
    found = {each.subject: each for each in reader.emails(MailQuery("", (), True, True)).items}
    assert found.keys() == {f"Number {number}" for number in (1, 2, 3, 4)}
    assert set(found["Number 1"].labels) == {"INBOX", "STARRED"}
    assert found["Number 4"].id == "18b1c2d3e4f50607"
    assert found["Number 4"].date.hour == 11
    assert sorted(raws(stores).values()) == sorted(mail(number) for number in (1, 2, 3, 4))


def test_our_own_mbox_comes_back_with_exact_bytes_labels_and_ids(stores: Stores, shard: Shard, tmp_path: Path) -> None:
    user = stores.control.user("ann@example.com")
    strange = b"From: a@example.com\nSubject: x\n\nFrom here\n>From there\r\n\n\n"
    shard.store(user.user_id, Mail(3, content=strange, labels=("SENT", "Label_7")), Mail(4, content=b"no newline"))
    assert gbm("export", user.email, "--format", "mbox", "--out", str(tmp_path / "out.mbox")).exit_code == 0

    done = run(BOB, str(tmp_path / "out.mbox"), "--new")

    assert done["stored"] == 4
    assert raws(stores) == raws(stores, user.email)
    [found] = stores.reader(stores.control.user(BOB)).emails(MailQuery("in:sent", (), True, True)).items
    assert set(found.labels) == {"SENT", "Label_7"}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("missing", None, "missing"), ("x.txt", b"not mail", "neither .eml nor mbox"), ("x.zip", b"not a zip", "x.zip")],
)
@pytest.mark.usefixtures("stores")
def test_what_cannot_be_imported_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    result = gbm("import", BOB, str(tmp_path / name), "--new")

    assert result.exit_code == 1
    assert sentence in result.stderr.replace("\n", "")
