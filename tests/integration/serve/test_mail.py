"""Sign in, list, search, read: what a client does, over real stores."""

import hashlib
from pathlib import Path

import httpx
import pytest

from serve.auth import api_keys
from storage.catalog.leases import LeaseLost
from storage.model.message_id import from_hex
from storage.model.records import DELETED, LabelChange
from tests.integration.serve.conftest import Archive, RecordingOwners, mail, signed_in

_DAMAGED = b"Subject: \xff\xfe odd\r\nContent-Type: multipart/mixed\r\n\r\n\x00\x80 body"


@pytest.fixture
def key(archive: Archive) -> str:
    """An API key of a user with four messages, one of them damaged, one in Spam."""
    user, key = archive.add_user("ann@example.com")
    archive.commit(
        user,
        [
            (0x10, ["INBOX"], mail("Invoice May", "Please pay 12 euro.")),
            (0x20, ["INBOX", "Label_1"], mail("Lunch", "Soup at noon?", "Zoë <zoe@example.org>")),
            (from_hex("f000000000000030"), ["SPAM"], mail("Prize")),
            (0x40, ["INBOX", "UNREAD"], _DAMAGED),
        ],
    )
    return key


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["40", "20", "10"]),
        ({"include_spam_trash": "true"}, ["40", "f000000000000030", "20", "10"]),
        ({"label": "SPAM"}, ["f000000000000030"]),
        ({"q": "in:spam"}, ["f000000000000030"]),
        ({"q": "invoice"}, ["10"]),
        ({"q": "from:zoë"}, ["20"]),
        ({"q": "label:receipts"}, ["20"]),
        ({"q": "is:unread"}, ["40"]),
        ({"q": "after:2024/05/02"}, []),
        ({"label": ["INBOX", "Label_1"]}, ["20"]),
        ({"label": "None"}, []),
    ],
)
async def test_a_list_contains_the_matching_messages(
    client: httpx.AsyncClient, key: str, params: dict[str, str], found: list[str]
) -> None:
    answer = await client.get("/api/v1/emails", params=params, headers=await signed_in(client, key))

    assert answer.status_code == 200, answer.text
    assert [item["id"] for item in answer.json()["items"]] == found


async def test_raw_bytes_come_back_exactly(client: httpx.AsyncClient, key: str) -> None:
    header = await signed_in(client, key)

    raw = await client.get("/api/v1/emails/40/raw", headers=header)
    document = (await client.get("/api/v1/emails/40", headers=header)).json()

    assert raw.content == _DAMAGED
    assert document["sha256"] == hashlib.sha256(_DAMAGED).hexdigest() == raw.headers["etag"].strip('"')
    assert document["size_bytes"] == len(_DAMAGED)
    assert document["analysis"] is None, "nobody analysed it"
    assert document["defects"]


async def test_deleted_mail_is_listed_on_request(client: httpx.AsyncClient, archive: Archive, key: str) -> None:
    header, user = await signed_in(client, key), archive.control.user("ann@example.com")
    archive.commit(user, [(0x50, ["INBOX"], mail("New"))], [LabelChange(user.user_id, 0x10, DELETED, True, 50)])

    listed = (await client.get("/api/v1/emails", headers=header)).json()["items"]
    everything = (await client.get("/api/v1/emails", params={"include_deleted": True}, headers=header)).json()["items"]

    assert {item["id"] for item in listed} == {"20", "40", "50"}
    assert [item["deleted_at"] is not None for item in everything if item["id"] == "10"] == [True]


async def test_a_missing_file_is_reported_without_its_name(
    client: httpx.AsyncClient, archive: Archive, key: str
) -> None:
    header = await signed_in(client, key)
    [path] = [path for path in _files(archive) if path.name.endswith(".raw.zst")]
    path.unlink()

    answer = await client.get("/api/v1/emails/10/raw", headers=header)

    assert (answer.status_code, answer.json()["code"]) == (500, "file_damaged")
    assert path.name not in answer.text


@pytest.mark.usefixtures("key")
async def test_metrics_contain_totals_and_no_names(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")

    assert answer.status_code == 200
    assert 'gbm_messages{shard="0"} 4.0' in answer.text
    assert 'gbm_defective_messages{shard="0"} 2.0' in answer.text
    assert 'gbm_mailboxes{phase="current",shard="0"} 1.0' in answer.text
    assert "gbm_quota_units_billing_threshold 8e+07" in answer.text
    assert "ann" not in answer.text


async def test_a_revoked_key_gives_nothing_more(client: httpx.AsyncClient, archive: Archive, key: str) -> None:
    refresh = (await client.post("/api/v1/auth/token", json={"api_key": key})).json()["refresh_token"]
    parsed = api_keys.parse(key)
    assert parsed is not None

    archive.control.revoke_key(parsed[0])

    for body in ({"api_key": key}, {"refresh_token": refresh}):
        assert (await client.post("/api/v1/auth/token", json=body)).status_code == 401


async def test_a_stolen_refresh_token_ends_its_family(client: httpx.AsyncClient, key: str) -> None:
    first = (await client.post("/api/v1/auth/token", json={"api_key": key})).json()["refresh_token"]
    second = (await client.post("/api/v1/auth/token", json={"refresh_token": first})).json()["refresh_token"]

    stolen = await client.post("/api/v1/auth/token", json={"refresh_token": first})
    owners = await client.post("/api/v1/auth/token", json={"refresh_token": second})

    assert (stolen.status_code, owners.status_code) == (401, 401)


async def test_a_sync_is_requested_for_the_caller(
    client: httpx.AsyncClient, archive: Archive, key: str, owners: RecordingOwners
) -> None:
    answer = await client.post("/api/v1/sync", json={"mode": "full"}, headers=await signed_in(client, key))

    assert answer.status_code == 202
    assert [(user.email, mode.value) for user, mode in owners.requests] == [("ann@example.com", "full")]


async def test_ready_names_unreachable_dependencies(client: httpx.AsyncClient, owners: RecordingOwners) -> None:
    owners.failure = LeaseLost(0, 1)

    answer = await client.get("/ready")

    assert answer.status_code == 503
    assert answer.json()["dependencies"] == {
        "control_database": "ok",
        "shard_database:0": "ok",
        "shard_database:1": "ok",
        "shard:0": "unreachable",
        "shard:1": "unreachable",
    }


def _files(archive: Archive) -> list[Path]:
    return [path for path in Path(archive.backup.archive.uri.removeprefix("file://")).rglob("*") if path.is_file()]


async def test_a_mailbox_is_read_as_it_was(client: httpx.AsyncClient, archive: Archive, key: str) -> None:
    header, user = await signed_in(client, key), archive.control.user("ann@example.com")
    then = archive.synced_at(user)
    changes = [LabelChange(user.user_id, 0x10, DELETED, True, 50), LabelChange(user.user_id, 0x20, "INBOX", False, 51)]
    archive.commit(user, [(0x50, ["INBOX"], mail("New"))], changes)

    async def ids(**params: str) -> list[str]:
        answer = await client.get("/api/v1/emails", params={"limit": "2", **params}, headers=header)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        rest = await ids(**params, cursor=document["next_cursor"]) if document["next_cursor"] else []
        return [*(item["id"] for item in document["items"]), *rest]

    assert await ids() == ["40", "20", "50"]
    assert await ids(as_of=then) == ["40", "20", "10"]
    assert await ids(as_of=then, label="INBOX", q="lunch OR invoice") == ["20", "10"]
    assert await ids(as_of="0001-01-01T00:00:00+14:00") == []
    assert await ids(as_of="9999-12-31T23:59:59-14:00", q="newer_than:9000y") == ["40", "20", "50"]
    was = (await client.get("/api/v1/emails/10", params={"as_of": then}, headers=header)).json()
    assert (was["labels"], was["deleted_at"]) == (["INBOX"], None)
    assert (await client.get("/api/v1/emails/50", params={"as_of": then}, headers=header)).status_code == 404
    for content in ("raw", "html", "attachments", "parts/1"):
        path = "/api/v1/emails/{}/" + content
        for known, moment, status in (("10", then, 200), ("50", then, 404), ("50", None, 200)):
            params = {"as_of": moment} if moment else {}
            answer = await client.get(path.format(known), params=params, headers=header)
            assert answer.status_code == status, (content, known, moment)
