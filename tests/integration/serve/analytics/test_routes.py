"""Numbers about a mailbox are those that counting its mail gives; kept answers are never stale."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import httpx
import pytest

from serve.http.response_cache import ResponseCache
from storage.model.records import DELETED, LabelChange
from storage.reader import MailboxReader
from tests.integration.serve.conftest import FIRST_AT, Archive, mail, signed_in
from tests.integration.storage.factory import Mail, Shard

PATH = "/api/v1/analytics"


@pytest.mark.parametrize("seed", range(3))
async def test_numbers_are_those_of_counting(client: httpx.AsyncClient, archive: Archive, seed: int) -> None:
    random = Random(seed)
    user, key = archive.add_user("ann@example.com")
    _, others = archive.add_user("bob@example.com")
    senders = ["Ann <ann@example.com>", "Zoë <zoe@example.org>", "bare@example.net", "A <ann@example.com>"]
    labels = (["INBOX"], ["INBOX", "UNREAD"], ["SENT"], ["Label_1", "UNREAD"])
    made = [
        (number, random.choice(labels), mail(f"mail {number}", "x" * random.randint(1, 300), random.choice(senders)))
        for number in range(1, random.randint(5, 40))
    ]
    gone = {number for number, _, _ in made if random.random() < 0.2}
    archive.commit(user, made)
    archive.commit(
        user, [(900, ["INBOX"], mail("later"))], [LabelChange(user.user_id, n, DELETED, True, 20) for n in gone]
    )
    everything = [(n, own, raw, FIRST_AT + timedelta(hours=at)) for at, (n, own, raw) in enumerate(made)]
    everything.append((900, ["INBOX"], mail("later"), FIRST_AT))
    headers = await signed_in(client, key)

    since = FIRST_AT + timedelta(hours=random.randint(0, 9))
    to = since + timedelta(hours=random.randint(0, 30))
    for span, params in (
        ((datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)), {}),
        ((since, to), {"from": since.isoformat(), "to": to.isoformat()}),
    ):
        found = [each for each in everything if span[0] <= each[3] < span[1]]
        told = (await client.get(f"{PATH}/overview", params=params, headers=headers)).json()
        assert told["messages"] == len(found)
        assert told["size_bytes"] == sum(len(raw) for _, _, raw, _ in found)
        assert told["deleted"] == sum(n in gone for n, _, _, _ in found)
        assert told["unread"] == sum("UNREAD" in own and n not in gone for n, own, _, _ in found)
        assert told["sent"] == sum("SENT" in own and n not in gone for n, own, _, _ in found)
        assert {each["year"]: each["messages"] for each in told["years"]} == Counter(at.year for *_, at in found)
        first = told["first_at"] and datetime.fromisoformat(told["first_at"])
        assert first == min((at for *_, at in found), default=None)
        carried = Counter(label for n, own, _, _ in found if n not in gone for label in own)
        assert {each["id"]: each["messages"] for each in told["labels"] if each["messages"]} == carried

        by_sender: defaultdict[str, list[int]] = defaultdict(list)
        for _, _, raw, _ in found:
            address = raw.split(b"\r\n")[0].decode().removeprefix("From: ").split("<")[-1].strip("> ")
            by_sender[address].append(len(raw))
        listed = (await client.get(f"{PATH}/senders", params={**params, "limit": 100}, headers=headers)).json()["items"]
        assert {each["address"]: (each["messages"], each["size_bytes"]) for each in listed} == {
            address: (len(sizes), sum(sizes)) for address, sizes in by_sender.items()
        }
        assert [-each["messages"] for each in listed] == sorted(-each["messages"] for each in listed)

    strangers = (await client.get(f"{PATH}/overview", headers=await signed_in(client, others))).json()
    assert (strangers["messages"], strangers["years"], strangers["attachments"]["files"]) == (0, [], 0)


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
    answers, reader = ResponseCache(1 << 20), shard.reader(user)

    def slow() -> bytes:
        found = _ids(reader)
        shard.store(user, Mail(2))  # a commit between the look and the answer
        return found

    assert answers.of(user, reader, "ids", slow) == b"1"
    assert answers.of(user, reader, "ids", lambda: _ids(reader)) == b"2 1"
    assert answers.of(user, reader, "ids", lambda: b"not asked") == b"2 1"
    assert (answers.hits, answers.misses) == (1, 2)


def test_what_is_kept_is_bounded_and_nobodys_but_its_users(new_archive_shard: Callable[[], Shard]) -> None:
    shard = new_archive_shard()
    ann, bob = shard.user(), shard.user()
    answers = ResponseCache(100)
    for user in (ann, bob):
        for number in range(20):
            answers.of(user, shard.reader(user), number, lambda: b"x" * 30)
    assert answers._kept.currsize <= 100
    answers.of(ann, shard.reader(ann), "mine", lambda: b"ann's")
    assert answers.of(bob, shard.reader(bob), "mine", lambda: b"bob's") == b"bob's"


def _ids(reader: MailboxReader) -> bytes:
    return " ".join(item.id for item in reader.emails().items).encode()


@pytest.fixture
def new_archive_shard(archive: Archive) -> Callable[[], Shard]:
    root = Path(archive.backup.archive.uri.removeprefix("file://"))
    return lambda: Shard(archive.databases.shard_database(0), root)
