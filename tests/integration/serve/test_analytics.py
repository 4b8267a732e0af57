"""Kept answers about a mailbox are never stale, and made once. What they say: test_numbers.py."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from serve.answers import Answers
from storage.reader import MailboxReader
from storage.records import DELETED, LabelChange
from tests.integration.serve.conftest import Archive, mail, signed_in
from tests.integration.storage.factory import Mail, Shard

PATH = "/api/v1/analytics"


async def test_a_stranger_has_numbers_of_their_own(client: httpx.AsyncClient, archive: Archive) -> None:
    user, _ = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], mail("mine"))])
    headers = await signed_in(client, archive.add_user("bob@example.com")[1])
    strangers = (await client.get(f"{PATH}/overview", headers=headers)).json()
    assert (strangers["messages"], strangers["years"], strangers["attachments"]["files"]) == (0, [], 0)
    assert (await client.get(f"{PATH}/storage", headers=headers)).json()["largest"] == []


async def test_files_are_counted(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    part = b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a\r\n\r\n12345\r\n"
    raw = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 2 + b"--b--\r\n"
    archive.commit(user, [(1, ["INBOX"], raw), (2, ["INBOX"], mail("none"))])
    told = (await client.get(f"{PATH}/overview", headers=await signed_in(client, key))).json()
    assert told["attachments"] == {"messages": 1, "files": 2, "size_bytes": 10}


async def test_a_kept_answer_ends_with_whatever_changes_it(client: httpx.AsyncClient, archive: Archive) -> None:
    user, key = archive.add_user("ann@example.com")
    headers = await signed_in(client, key)

    async def subjects() -> list[str]:
        answer = await client.get("/api/v1/emails", headers=headers)
        return [item["subject"] for item in answer.json()["items"]]

    assert await subjects() == []
    archive.commit(user, [(1, ["INBOX"], mail("one"))])
    assert await subjects() == await subjects() == ["one"]
    archive.commit(user, [(2, ["INBOX"], mail("two"))], [LabelChange(user.user_id, 1, DELETED, True, 20)])
    assert await subjects() == ["two"]
    assert (await client.get("/api/v1/emails?q=label:receipts", headers=headers)).json()["items"] == []
    assert (await client.get(f"{PATH}/overview", headers=headers)).json()["messages"] == 2


def test_an_answer_that_a_commit_came_into_is_not_kept(new_archive_shard: Callable[[], Shard]) -> None:
    shard = new_archive_shard()
    user = shard.user()
    shard.store(user, Mail(1))
    answers, reader = Answers(1 << 20), shard.reader(user)

    def slow() -> bytes:
        found = _ids(reader)
        shard.store(user, Mail(2))  # a commit between the look and the answer
        return found

    assert answers.of(user, reader, "ids", slow) == b"1"
    assert answers.of(user, reader, "ids", lambda: _ids(reader)) == b"2 1"
    assert answers.of(user, reader, "ids", lambda: b"not asked") == b"2 1"
    assert (answers.hits, answers.misses) == (1, 2)


def test_an_answer_that_many_wait_for_is_made_once(new_archive_shard: Callable[[], Shard]) -> None:
    shard = new_archive_shard()
    user = shard.user()
    answers, reader = Answers(1 << 20), shard.reader(user)
    all_wait, made = Barrier(8), []

    def ask() -> bytes:
        all_wait.wait(10)
        return answers.of(user, reader, "slow", make)

    def make() -> bytes:
        made.append(1)
        return b"answer"

    with ThreadPoolExecutor(8) as pool:
        assert [each.result() for each in [pool.submit(ask) for _ in range(8)]] == [b"answer"] * 8
    assert (made, answers.hits, answers.misses) == ([1], 7, 1)
    assert not answers._making


def test_what_is_kept_is_bounded_and_nobodys_but_its_users(new_archive_shard: Callable[[], Shard]) -> None:
    shard = new_archive_shard()
    ann, bob = shard.user(), shard.user()
    answers = Answers(100)
    for user in (ann, bob):
        for number in range(20):
            answers.of(user, shard.reader(user), number, lambda: b"x" * 30)
    assert answers._bytes <= 100
    answers.of(ann, shard.reader(ann), "mine", lambda: b"ann's")
    assert answers.of(bob, shard.reader(bob), "mine", lambda: b"bob's") == b"bob's"


def _ids(reader: MailboxReader) -> bytes:
    return " ".join(item.id for item in reader.emails().items).encode()


@pytest.fixture
def new_archive_shard(archive: Archive) -> Callable[[], Shard]:
    root = Path(archive.backup.archive.uri.removeprefix("file://"))
    return lambda: Shard(archive.databases.shard_database(0), root)
