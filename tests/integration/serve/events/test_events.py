"""/api/v1/events over real HTTP: pages, streams that resume, and who sees what."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from serve.auth import api_keys
from serve.config import ServeConfig
from storage.db.engines import transaction
from storage.events.forwarding import Forwarder
from storage.events.mailbox_types import EmailReceived
from storage.events.publishing import publish
from storage.model.records import LabelChange, User
from tests.integration.serve.conftest import Archive
from tests.integration.serve.running import CONFIG, running

RAW = b"From: a@example.com\r\nSubject: secret-subject\r\n\r\nsecret-text\r\n"


@pytest.fixture(scope="module")
def config() -> ServeConfig:
    return CONFIG.model_copy(
        update={"streams": CONFIG.streams.model_copy(update={"events_poll_s": 0.02, "heartbeat_s": 0.3})}
    )


_OPEN: list[httpx.Client] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Closes the clients of a test."""
    yield
    while _OPEN:
        _OPEN.pop().close()


@pytest.fixture
def url(archive: Archive, config: ServeConfig) -> Iterator[str]:
    with running(archive, config) as url:
        yield url


class Client:
    """A caller with a token."""

    def __init__(self, url: str, key: str) -> None:
        token = httpx.post(f"{url}/api/v1/auth/token", json={"api_key": key}).json()["access_token"]
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        _OPEN.append(self.http)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        found = self.http.get(path, params=params)
        assert found.status_code == 200, found.text
        return found.json()  # type: ignore[no-any-return]

    @contextmanager
    def stream(self, path: str, seen: str | None = None) -> Iterator[Iterator[dict[str, str]]]:
        headers = {} if seen is None else {"Last-Event-ID": seen}
        with self.http.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200
            yield _parsed(response.iter_lines())


def _parsed(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def publish_received(archive: Archive, user: User, *names: str) -> None:
    engine = archive.databases.shard_database(archive.control.shards()[user.shard_id])
    with transaction(engine) as connection:
        publish(connection, user.shard_id, [(user.user_id, EmailReceived(segment=name, ids=["a"])) for name in names])


def test_a_mailbox_tells_every_change_to_its_owner_alone(archive: Archive, url: str) -> None:
    (ann, ann_key), (_, bob_key) = archive.add_user("ann-e@example.com"), archive.add_user("bob-e@example.com")
    archive.commit(ann, [(1, ["INBOX"], RAW), (2, ["INBOX"], RAW)])
    client = Client(url, ann_key)

    page = client.get("/api/v1/events")

    received = [item for item in page["items"] if item["type"] == "email.received"]
    assert [item["data"]["ids"] for item in received] == [["1", "2"]]
    assert {item["subject"] for item in page["items"]} == {f"users/{ann.user_id}"}
    assert "secret" not in json.dumps(page)
    assert not page["has_more"]
    assert client.get("/api/v1/events", after=page["next_cursor"])["items"] == []
    first = client.get("/api/v1/events", limit=1)
    assert first["has_more"]
    rest = client.get("/api/v1/events", after=first["items"][0]["id"])
    assert first["items"] + rest["items"] == page["items"]
    others = Client(url, bob_key).get("/api/v1/events")
    assert not [item for item in others["items"] if item["subject"] == f"users/{ann.user_id}"]


def test_label_changes_and_account_events_are_in_one_order(archive: Archive, url: str) -> None:
    user, key = archive.add_user("cat-e@example.com")
    archive.commit(user, [(1, ["INBOX"], RAW)], [LabelChange(user.user_id, 1, "UNREAD", True, 12)])
    archive.control.pause(user.user_id, True)
    Forwarder(archive.databases, archive.control.shards).forward()

    page = Client(url, key).get("/api/v1/events", type="email.relabelled,account.*")

    kinds = [item["type"] for item in page["items"]]
    assert kinds == ["email.relabelled", "account.added", "account.paused"]
    assert page["items"][0]["data"] == {"changes": [{"id": "1", "added": ["UNREAD"], "removed": []}]}


def test_a_stream_delivers_at_once_and_resumes_without_loss_or_repetition(archive: Archive, url: str) -> None:
    user, key = archive.add_user("dan-e@example.com")
    client = Client(url, key)
    publish_received(archive, user, "before")
    with client.stream("/api/v1/events/stream") as events:
        began = time.monotonic()
        publish_received(archive, user, "one", "two")
        seen = []
        for event in events:
            if "data" in event:
                seen.append(event)
            if len(seen) == 2:
                break
        assert time.monotonic() - began < 2
        assert [json.loads(event["data"])["data"]["segment"] for event in seen] == ["one", "two"]
        assert [event["event"] for event in seen] == ["email.received"] * 2
    publish_received(archive, user, "three")

    with client.stream("/api/v1/events/stream", seen[0]["id"]) as events:
        again = [json.loads(next(events)["data"])["data"]["segment"] for _ in range(2)]

    assert again == ["two", "three"]


def test_a_silent_stream_sends_heartbeats_that_move_the_position(archive: Archive, url: str) -> None:
    (user, key), (other, _) = archive.add_user("eve-e@example.com"), archive.add_user("fay-e@example.com")
    while other.shard_id != user.shard_id:
        other, _ = archive.add_user(f"more{time.monotonic_ns()}@example.com")
    with Client(url, key).stream("/api/v1/events/stream") as events:
        first = next(events)
        publish_received(archive, other, "of somebody else")
        assert "data" not in first
        while (beat := next(events))["id"] == first["id"]:
            assert "data" not in beat


def test_what_cannot_be_followed_is_refused(archive: Archive, url: str) -> None:
    user, key = archive.add_user("gus-e@example.com")
    publish_received(archive, user, "new")
    client = Client(url, key)

    def code(path: str, **params: str) -> tuple[int, str]:
        found = client.http.get(path, params=params)
        return found.status_code, found.json()["code"]

    elsewhere = f"{1 - user.shard_id}-5"
    for path in ("/api/v1/events", "/api/v1/events/stream"):
        assert code(path, type="email.*,nonsense") == (400, "unknown_event_type")
    assert code("/api/v1/events", after=elsewhere) == (400, "invalid_event_id")
    assert code("/api/v1/events", after="nonsense") == (400, "invalid_event_id")
    assert code("/api/v1/events", after=f"{user.shard_id}-1000") == (410, "events_expired")
    assert code("/api/v1/admin/events") == (403, "role_required")
    assert code("/api/v1/admin/events/stream") == (403, "role_required")


def test_operators_follow_the_fleet_without_mail(archive: Archive, url: str) -> None:
    (user, _), (_, key) = archive.add_user("hal-e@example.com"), archive.add_user("ops-e@example.com", "operator")
    client = Client(url, key)
    cursor = client.get("/api/v1/admin/events", limit=1000)["next_cursor"]
    with client.stream("/api/v1/admin/events/stream", cursor) as events:
        archive.commit(user, [(1, ["INBOX"], RAW)])
        kinds: list[str] = []
        while "email.sync.completed" not in kinds:
            event = next(events)
            if "data" in event:
                kinds.append(event["event"])
    page = client.get("/api/v1/admin/events", after=cursor)

    assert [item["type"] for item in page["items"]] == kinds == ["owner.replaced", "email.sync.completed"]
    assert client.get("/api/v1/admin/events", type="email.received")["items"] == []


def test_every_type_has_a_schema(archive: Archive, url: str) -> None:
    _, key = archive.add_user("ida-e@example.com")
    items = Client(url, key).get("/api/v1/events/types")["items"]
    assert {"email.received", "shard.moved"} <= {item["type"] for item in items}
    assert all(item["data_schema"]["$id"].endswith(f"{item['type']}:{item['version']}") for item in items)


def test_a_key_without_the_scope_reads_no_events(archive: Archive, url: str) -> None:
    user = archive.control.add_user("jon-e@example.com")
    key = api_keys.new_key()
    archive.control.save_key(key.key_id, user.user_id, "owner", key.secret_hash, None, scopes={"mail"})
    found = Client(url, key.text.get_secret_value()).http.get("/api/v1/events")
    assert (found.status_code, found.json()["code"]) == (403, "scope_required")


def test_a_webhook_is_registered_tested_and_deleted_by_its_owner_alone(archive: Archive, url: str) -> None:
    (_, key), (_, other_key) = archive.add_user("kim-e@example.com"), archive.add_user("lee-e@example.com")
    mine, other = Client(url, key).http, Client(url, other_key).http

    def code(response: httpx.Response) -> tuple[int, str]:
        return response.status_code, response.json()["code"]

    body = {"url": "https://hooks.example.com/gbm", "types": ["email.*"]}
    created = mine.post("/api/v1/webhooks", json=body)
    assert created.status_code == 201, created.text
    webhook = created.json()
    assert webhook["secret"].startswith("whsec_")
    assert "email.received" in webhook["types"]
    assert "account.added" not in webhook["types"]
    listed = mine.get("/api/v1/webhooks").json()["items"]
    assert [one["id"] for one in listed] == [webhook["id"]]
    assert webhook["secret"] not in json.dumps(listed)
    assert other.get("/api/v1/webhooks").json()["items"] == []

    path = f"/api/v1/webhooks/{webhook['id']}"
    sent = mine.post(f"{path}/test")
    assert sent.status_code == 202
    (delivery,) = mine.get(f"{path}/deliveries").json()["items"]
    assert (delivery["event_id"], delivery["type"], delivery["state"]) == (
        *(sent.json()["event_id"], "webhook.test"),
        "pending",
    )
    for refused in (other.post(f"{path}/test"), other.get(f"{path}/deliveries"), other.delete(path)):
        assert code(refused) == (404, "unknown_webhook")
    assert code(mine.post("/api/v1/webhooks", json={"url": "https://127.0.0.1/"})) == (400, "webhook_url_refused")
    assert code(mine.post("/api/v1/webhooks", json={**body, "types": ["no"]})) == (400, "unknown_event_type")
    for _ in range(9):
        assert mine.post("/api/v1/webhooks", json=body).status_code == 201
    assert code(mine.post("/api/v1/webhooks", json=body)) == (409, "too_many_webhooks")
    assert mine.delete(path).status_code == 204
    assert len(mine.get("/api/v1/webhooks").json()["items"]) == 9
