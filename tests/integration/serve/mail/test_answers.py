"""Cached lists and documents over real stores: as current as new ones, and never another user's."""

import asyncio
from pathlib import Path

import httpx
import pytest

from jobs.analysis.config import AnalysisConfig
from jobs.analysis.running import configured
from jobs.isolation.reading import IsolatedReading
from serve.http.response_cache import ResponseCache
from storage.files.blobs import open_blobs
from storage.mailbox import lookups
from storage.mailbox.lookups import Located
from storage.mailbox.message import ReadingStopped
from storage.model.records import DELETED, LabelChange
from storage.model.results import Body, Email
from storage.reader import MailboxReader
from tests.integration.serve.conftest import Archive, mail, signed_in


async def _documents(client: httpx.AsyncClient, header: dict[str, str], times: int = 3) -> list[httpx.Response]:
    """The same message over and over, and several times at once."""
    one_by_one = [await client.get("/api/v1/emails/10", headers=header) for _ in range(times)]
    at_once = await asyncio.gather(*(client.get("/api/v1/emails/10", headers=header) for _ in range(times)))
    return [*one_by_one, *at_once]


async def test_a_cached_document_shows_the_labels_and_the_deletion_of_the_last_commit(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(0x10, ["INBOX"], mail("Hello"))])
    header = await signed_in(client, key)

    before = await _documents(client, header)
    assert {answer.text for answer in before} == {before[0].text}
    assert before[0].json()["labels"] == ["INBOX"]
    archive.commit(user, [], [LabelChange(user.user_id, 0x10, "STARRED", True, 2)])
    starred = await _documents(client, header)
    assert {tuple(answer.json()["labels"]) for answer in starred} == {("INBOX", "STARRED")}
    assert starred[0].headers["etag"] != before[0].headers["etag"]
    archive.commit(user, [], [LabelChange(user.user_id, 0x10, DELETED, True, 3)])
    assert all(answer.json()["deleted_at"] for answer in await _documents(client, header))


async def test_users_with_the_same_message_id_read_their_own_message_at_the_same_time(
    archive: Archive, client: httpx.AsyncClient
) -> None:
    headers = {}
    for name in ("ann", "bob", "eve"):
        user, key = archive.add_user(f"{name}@example.com")
        if name != "eve":
            archive.commit(user, [(0x10, ["INBOX"], mail(f"For {name}"))])
        headers[name] = await signed_in(client, key)

    for _ in range(3):
        paths = ("/api/v1/emails/10", "/api/v1/emails/10/raw", "/api/v1/emails")
        asked = [(name, path) for name in headers for path in paths]
        answers = await asyncio.gather(*(client.get(path, headers=headers[name]) for name, path in asked))
        for (name, path), answer in zip(asked, answers, strict=True):
            if name == "eve" and path != "/api/v1/emails":
                assert answer.status_code == 404
            else:
                assert [other for other in ("ann", "bob") if f"For {other}" in answer.text] == [name] * (name != "eve")


async def test_a_cached_response_needs_no_reader(
    archive: Archive, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(0x10, ["INBOX"], mail("Hello"))])
    header = await signed_in(client, key)
    paths = ("/api/v1/emails", "/api/v1/emails/10", "/api/v1/emails/10/raw")
    first = [await client.get(path, headers=header) for path in paths]

    def refuse(*_: object) -> None:
        raise AssertionError("a reader was asked")

    for name in ("emails", "email", "email_at", "raw", "raw_at", "version"):
        monkeypatch.setattr(MailboxReader, name, refuse)
    again = [await client.get(path, headers=header) for path in paths]

    assert [answer.content for answer in again] == [answer.content for answer in first]
    assert [answer.headers["etag"] for answer in again] == [answer.headers["etag"] for answer in first]


async def test_a_message_whose_files_were_merged_since_it_was_located_is_looked_up_again(
    archive: Archive, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(0x10, ["INBOX"], mail("Hello"))])
    header = await signed_in(client, key)
    monkeypatch.setattr(MailboxReader, "email_at", lambda *_: None)
    monkeypatch.setattr(MailboxReader, "raw_at", lambda *_: None)
    kept: list[object] = []
    monkeypatch.setattr(ResponseCache, "keep", lambda _, key, answer: kept.append(key))

    document = await client.get("/api/v1/emails/10", headers=header)
    raw = await client.get("/api/v1/emails/10/raw", headers=header)

    assert (document.json()["subject"], raw.content) == ("Hello", mail("Hello"))
    assert kept == [], "a response of another state is not cached for the state that was looked up"


@pytest.mark.parametrize("ending", [".raw.zst", ".analysis"])
async def test_a_document_that_lacks_what_a_damaged_file_holds_is_not_cached(
    archive: Archive, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    user, key = archive.add_user("ann@example.com")
    analysers = configured(AnalysisConfig(plugins=False))
    assert analysers is not None
    archive.commit(user, [(0x10, ["INBOX"], mail("Hello"))], analyse=analysers.of_new_mail)
    header = await signed_in(client, key)
    reads: list[int] = []
    read = MailboxReader.email_at

    def counted(reader: MailboxReader, located: Located) -> Email | None:
        reads.append(located.message_id)
        return read(reader, located)

    monkeypatch.setattr(MailboxReader, "email_at", counted)
    file = _file(archive, ending)
    healthy = file.read_bytes()

    file.write_bytes(bytes(len(healthy)))
    lacking = (await client.get("/api/v1/emails/10", headers=header)).json()
    file.write_bytes(healthy)
    whole = [(await client.get("/api/v1/emails/10", headers=header)).json() for _ in range(3)]

    assert (lacking["subject"], lacking["analysis"] is None) == ("Hello", ending == ".analysis")
    assert all(answer["analysis"] for answer in whole)
    assert len(reads) == 2, "the first document was not cached, the second was"


def _file(archive: Archive, ending: str) -> Path:
    root = Path(archive.backup.archive.uri.removeprefix("file://"))
    [file] = [path for path in root.rglob("*") if path.name.endswith(ending)]
    return file


async def test_a_document_whose_reading_was_stopped_is_read_again(
    archive: Archive, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(0x10, ["INBOX"], mail("Hello"))])
    header = await signed_in(client, key)
    asked: list[int] = []

    def body(_: IsolatedReading, raw: bytes) -> Body:
        asked.append(len(raw))
        if len(asked) == 1:
            raise ReadingStopped("timeout")
        return Body("read whole", (), ())

    monkeypatch.setattr(IsolatedReading, "body", body)
    texts = [(await client.get("/api/v1/emails/10", headers=header)).json()["text"] for _ in range(3)]

    assert texts[0] != "read whole"
    assert texts[1:] == ["read whole"] * 2
    assert len(asked) == 2, "what was read whole is cached"


def test_lookups_return_only_what_exists_and_each_under_its_user(archive: Archive) -> None:
    users = [archive.add_user(f"{name}@example.com")[0] for name in ("ann", "cy")]
    ann, other = users
    archive.commit(ann, [(0x10, ["INBOX"], mail("Hello"))])
    engine = archive.databases.shard_database(archive.control.shards()[ann.shard_id])

    found = lookups.locations(engine, [(ann.user_id, 0x10), (ann.user_id, 0x11), (other.user_id, 0x10)])

    assert list(found) == [(ann.user_id, 0x10)]
    assert found[(ann.user_id, 0x10)].labels == ("INBOX",)
    versions = lookups.versions(engine, [ann.user_id, other.user_id])
    reader = MailboxReader(ann.user_id, engine, open_blobs(archive.backup.archive.uri))
    assert versions == {ann.user_id: reader.version()}
