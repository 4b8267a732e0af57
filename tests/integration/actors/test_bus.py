"""The event bus over real databases, and webhooks that reach a real server."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from actors.bus_service import BusService
from actors.config import EventsConfig
from actors.event_bus import Consumer
from actors.webhooks import WebhookQueue, WebhookWorker
from jobs.webhooks.config import WebhookConfig
from jobs.webhooks.sending import post
from jobs.webhooks.signing import new_secret, sign
from storage.catalog import leases
from storage.config import PostgresConfig
from storage.control.control import Control
from storage.control.sealing import KeyPlace, new_key
from storage.control.webhooks import Webhooks
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.events.consumers import ConsumerStore
from storage.events.mailbox_types import EmailReceived, SyncStopped
from storage.events.publishing import publish
from storage.events.stored_event import StoredEvent
from storage.model.records import User


@pytest.fixture
def databases(new_stores: Callable[[], tuple[str, ...]]) -> Iterator[Databases]:
    control, *dsns = new_stores()
    config = PostgresConfig(control_dsn=SecretStr(control), shard_dsns=tuple(map(SecretStr, dsns)), pool_size=8)
    databases = Databases(config, "bus")
    migrate.upgrade(databases, shards=2)
    for shard_id, index in Control(databases.control).shards().items():
        leases.acquire(databases.shard_database(index), shard_id, "owner", "cluster", 600)
    yield databases
    databases.close()


@asynccontextmanager
async def working(service: BusService) -> AsyncIterator[None]:
    task = asyncio.create_task(service.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def stop(databases: Databases, user: User, count: int = 1) -> None:
    engine = databases.shard_database(Control(databases.control).shards()[user.shard_id])
    with transaction(engine) as connection:
        publish(connection, user.shard_id, [(user.user_id, SyncStopped())] * count)


async def test_events_reach_consumers_soon_and_those_of_accounts_in_their_users_order(databases: Databases) -> None:
    seen, control = list[tuple[str, float]](), Control(databases.control)

    async def handle(event: StoredEvent) -> None:
        seen.append((event.type, time.monotonic()))

    kinds = ("account.added", "account.paused", "email.sync.stopped")
    consumer = Consumer("test", dict.fromkeys(kinds, handle), from_start=True)
    # Polls only every half minute: what comes at once comes by notification.
    async with working(BusService(databases, [consumer], [], EventsConfig(poll_s=30))):
        user = control.add_user("ann@example.com")
        await until(lambda: len(seen) == 1)
        control.pause(user.user_id, True)
        await until(lambda: len(seen) == 2)
        await asyncio.sleep(0.3)
        began = time.monotonic()
        stop(databases, user)
        await until(lambda: len(seen) == 3)

    assert [kind for kind, _ in seen] == list(kinds)
    assert seen[2][1] - began < 5
    assert {state.shard_id for state in ConsumerStore(databases.control).all()} == {-1, 0, 1}


async def test_a_bus_whose_connections_are_cut_goes_on(databases: Databases) -> None:
    seen, user = list[str](), Control(databases.control).add_user("ann@example.com")

    async def handle(event: StoredEvent) -> None:
        seen.append(event.id)

    def cut() -> None:
        for engine in (databases.control, databases.shard_database(0), databases.shard_database(1)):
            with transaction(engine) as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name LIKE 'gbm event bus%' AND datname = current_database()"
                    )
                )

    consumer = Consumer("test", {"email.sync.stopped": handle}, from_start=True)
    async with working(BusService(databases, [consumer], [], EventsConfig(poll_s=0.2))):
        for number in range(1, 4):
            stop(databases, user)
            await until(lambda number=number: len(set(seen)) == number)  # type: ignore[misc]
            await asyncio.to_thread(cut)

    assert list(dict.fromkeys(seen)) == sorted(set(seen))


async def test_only_one_bus_works(databases: Databases) -> None:
    user, seen = Control(databases.control).add_user("ann@example.com"), {"one": 0, "two": 0}

    def consumer(name: str) -> Consumer:
        async def handle(_event: StoredEvent) -> None:
            seen[name] += 1

        return Consumer("test", {"email.sync.stopped": handle}, from_start=True)

    config = EventsConfig(poll_s=0.1)
    async with working(BusService(databases, [consumer("one")], [], config)):
        stop(databases, user)
        await until(lambda: seen["one"] == 1)
        async with working(BusService(databases, [consumer("two")], [], config)):
            stop(databases, user, 5)
            await until(lambda: seen["one"] == 6)
    async with working(BusService(databases, [consumer("two")], [], config)):
        stop(databases, user)
        await until(lambda: seen["two"] == 1)
    assert seen == {"one": 6, "two": 1}


async def test_dead_letters_are_delivered_again_and_a_replay_repeats_everything(databases: Databases) -> None:
    user, store = Control(databases.control).add_user("ann@example.com"), ConsumerStore(databases.control)
    seen, broken = list[str](), True

    async def handle(event: StoredEvent) -> None:
        if broken:
            raise ValueError("the handler is broken")
        seen.append(event.id)

    consumer = Consumer("test", {"email.sync.stopped": handle}, from_start=True)
    config = EventsConfig(poll_s=0.1, attempts=2, first_delay_s=0.01)
    stop(databases, user, 3)
    async with working(BusService(databases, [consumer], [], config)):
        await until(lambda: len(store.dead_letters("test")) == 3)
        letter = store.dead_letters("test")[0]
        assert (letter.attempts, letter.error) == (2, "ValueError: the handler is broken")
        broken = False
        assert store.retry("test") == 3
        await until(lambda: not store.dead_letters("test"))
        first = list(seen)
        store.replay("test", dict.fromkeys((-1, 0, 1), 0))
        await until(lambda: len(seen) == 6)
    assert seen == [*first, *first]
    assert first == sorted(first)


class Receiver:
    """A server that records requests and responds as told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.responses: list[tuple[int, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, headers = receiver.responses.pop(0) if receiver.responses else (204, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    receiver.thread.join()


@pytest.fixture
def webhooks(databases: Databases, tmp_path: Path) -> Webhooks:
    return Webhooks(databases.control, KeyPlace("", tmp_path / "key").sealer(SecretStr(new_key())))


def bus_of(databases: Databases, webhooks: Webhooks) -> BusService:
    queue = WebhookQueue(webhooks)
    kinds = ("email.received", "email.sync.stopped")
    worker = WebhookWorker(webhooks, WebhookConfig(allow_private=True, timeout_s=5))
    return BusService(
        databases, [Consumer("webhooks", dict.fromkeys(kinds, queue.handle))], [worker], EventsConfig(poll_s=0.1)
    )


async def test_a_webhook_receives_signed_events_of_its_user_alone(
    databases: Databases, webhooks: Webhooks, receiver: Receiver
) -> None:
    control, secret = Control(databases.control), new_secret()
    ann, bob = control.add_user("ann@example.com"), control.add_user("bob@example.com")
    webhooks.create("wh_1", ann.user_id, receiver.url, ["email.sync.stopped"], secret, 10, "test")
    receiver.responses = [(500, {}), (302, {"Location": "/elsewhere"})]
    async with working(bus_of(databases, webhooks)):
        await until(lambda: len(ConsumerStore(databases.control).all()) == 3)
        stop(databases, bob)
        stop(databases, ann)
        await until(lambda: len(receiver.requests) == 1)
        await until(lambda: webhooks.deliveries("wh_1", ann.user_id, 10)[0].attempts == 1)
        again = "UPDATE webhook_deliveries SET next_at = now()"
        for attempts in (2, 3):
            with transaction(databases.control) as connection:
                connection.execute(text(again))
            await until(lambda n=attempts: webhooks.deliveries("wh_1", ann.user_id, 10)[0].attempts == n)  # type: ignore[misc]

    (log,) = webhooks.deliveries("wh_1", ann.user_id, 10)
    assert (log.state, log.status, log.error, log.type) == ("delivered", 204, None, "email.sync.stopped")
    assert webhooks.deliveries("wh_1", bob.user_id, 10) == []
    assert len(receiver.requests) == 3  # the redirect was not followed
    for headers, body in receiver.requests:
        assert headers["webhook-id"] == log.event_id
        signature = sign(secret, log.event_id, int(headers["webhook-timestamp"]), body)
        assert headers["webhook-signature"] == signature
        assert json.loads(body)["subject"] == f"users/{ann.user_id}"


async def test_gone_disables_a_webhook_and_retry_after_is_obeyed(
    databases: Databases, webhooks: Webhooks, receiver: Receiver
) -> None:
    user = Control(databases.control).add_user("ann@example.com")
    webhooks.create("wh_1", user.user_id, receiver.url, None, new_secret(), 10, "test")
    receiver.responses = [(429, {"Retry-After": "3600"}), (410, {})]
    async with working(bus_of(databases, webhooks)):
        await until(lambda: len(ConsumerStore(databases.control).all()) == 3)
        stop(databases, user)
        await until(lambda: bool(receiver.requests))
        await until(lambda: webhooks.deliveries("wh_1", user.user_id, 10)[0].attempts == 1)
        waiting = webhooks.deliveries("wh_1", user.user_id, 10)[0]
        assert waiting.next_at is not None and waiting.attempted_at is not None
        assert 3500 < (waiting.next_at - waiting.attempted_at).total_seconds() < 3700
        stop(databases, user)
        await until(lambda: webhooks.one("wh_1", user.user_id).disabled_at is not None)

    assert {one.state for one in webhooks.deliveries("wh_1", user.user_id, 10)} == {"failed"}
    assert webhooks.enabled() == []
    webhooks.enable("wh_1", user.user_id, "test")
    assert [one.webhook_id for one in webhooks.enabled()] == ["wh_1"]


def test_the_address_that_was_checked_is_connected_to(receiver: Receiver) -> None:
    looked_up = list[str]()

    def resolver(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    url = receiver.url.replace("127.0.0.1", "hooks.example.com")
    answer = post(url, ["webhook-id: a"], b"{}", 5.0, allow_private=True, resolver=resolver)

    assert answer.status == 204  # the real name has another address
    assert looked_up == ["hooks.example.com"]
    assert receiver.requests[0][0]["host"].startswith("hooks.example.com:")
    assert post(url, [], b"{}", 5.0, resolver=resolver).status is None
    assert len(receiver.requests) == 1


def test_an_event_of_500_messages_is_queued_once(databases: Databases, webhooks: Webhooks) -> None:
    user = Control(databases.control).add_user("ann@example.com")
    webhooks.create("wh_1", user.user_id, "https://example.com/", None, new_secret(), 10, "test")
    data = EmailReceived(segment="s", ids=["f" * 16] * 500).model_dump()
    for _ in range(2):
        webhooks.enqueue([("wh_1", "0-5", "email.received", json.dumps(data)), ("wh_gone", "0-5", "x", "{}")])
    assert [one.event_id for one in webhooks.deliveries("wh_1", user.user_id, 10)] == ["0-5"]
