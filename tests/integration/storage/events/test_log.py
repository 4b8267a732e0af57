"""The feed of events: nothing is missed while transactions overlap, and nobody reads another's."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from storage.catalog import leases
from storage.config import PostgresConfig
from storage.control.control import Control
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.events.control_types import OwnerReplaced
from storage.events.forwarding import Forwarder
from storage.events.log import FleetEvents, Page, UserEvents, decode_fleet
from storage.events.mailbox_types import EmailReceived, SyncStopped
from storage.events.publishing import publish
from storage.events.stored_event import EventsExpired, InvalidEventId, position_of
from tests.integration.storage.factory import Shard


@pytest.fixture
def databases(new_stores: Callable[[], tuple[str, ...]]) -> Iterator[Databases]:
    """A control database and two shard databases of their own."""
    control, *dsns = new_stores()
    config = PostgresConfig(control_dsn=SecretStr(control), shard_dsns=tuple(map(SecretStr, dsns)), pool_size=12)
    databases = Databases(config, "events")
    migrate.upgrade(databases, shards=4)
    yield databases
    databases.close()


def feed(databases: Databases, user_id: int, shard_id: int = 0) -> UserEvents:
    index = Control(databases.control).shards()[shard_id]
    return UserEvents(user_id, shard_id, databases.shard_database(index), 30)


def fleet(databases: Databases) -> FleetEvents:
    return FleetEvents(databases, Control(databases.control).shards, 30)


def types(page: Page) -> list[str]:
    return [event.type for event in page.items]


def everything(events: UserEvents, limit: int = 7) -> list[str]:
    """The ids of all events, by pages."""
    cursor, found = events.start(), []
    while True:
        page = events.page(cursor, None, limit)
        found += [event.id for event in page.items]
        cursor = page.cursor
        if not page.full:
            return found


def test_a_reader_misses_nothing_while_transactions_commit_out_of_order(databases: Databases) -> None:
    engine, events = databases.shard_database(0), feed(databases, 7)
    published, writers, each = [0], 6, 40
    lock, stop = threading.Lock(), threading.Event()

    def write(seed: int) -> None:
        random = Random(seed)
        for number in range(each):
            with transaction(engine) as connection:
                connection.execute(text("SELECT pg_sleep(:s)"), {"s": random.random() / 200})
                ids = [f"{seed}", f"{number}"]
                publish(connection, 0, [(7, EmailReceived(segment="s", ids=ids)), (8, SyncStopped())])
                connection.execute(text("SELECT pg_sleep(:s)"), {"s": random.random() / 200})
            with lock:
                published[0] += 1

    seen: list[str] = []

    def read() -> None:
        cursor = events.start()
        while True:
            last = stop.is_set()
            page = events.page(cursor, None, 5)
            seen.extend(event.id for event in page.items)
            cursor = page.cursor
            if last and not page.full:
                return

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(writers)]
    reader = threading.Thread(target=read)
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    reader.join()

    assert published == [writers * each]
    assert len(seen) == writers * each
    assert seen == everything(events)  # a replay has the same order


def test_an_open_transaction_holds_later_ones_back_instead_of_being_overtaken(databases: Databases) -> None:
    engine, events = databases.shard_database(0), feed(databases, 7)
    done = threading.Event()

    def later() -> None:
        with transaction(engine) as connection:
            publish(connection, 0, [(7, EmailReceived(segment="later", ids=[]))])
        done.set()

    with transaction(engine) as connection:
        publish(connection, 0, [(7, EmailReceived(segment="earlier", ids=[]))])
        thread = threading.Thread(target=later)
        thread.start()
        assert not done.wait(0.2)
        page = events.page(events.start(), None, 10)
        assert page.items == []
    thread.join()

    found = events.page(page.cursor, None, 10)
    assert [event.data["segment"] for event in found.items] == ["earlier", "later"]


def test_events_of_a_transaction_that_fails_do_not_exist(databases: Databases) -> None:
    with pytest.raises(RuntimeError), transaction(databases.shard_database(0)) as connection:
        publish(connection, 0, [(7, SyncStopped())])
        raise RuntimeError
    assert everything(feed(databases, 7)) == []


def test_a_feed_has_the_events_of_its_user_alone(databases: Databases) -> None:
    with transaction(databases.shard_database(0)) as connection:
        publish(connection, 0, [(7, SyncStopped()), (8, SyncStopped()), (None, OwnerReplaced(shard=0, epoch=1))])

    mine, other = feed(databases, 7), feed(databases, 8)

    assert types(mine.page(mine.start(), None, 10)) == ["email.sync.stopped"]
    assert not {*everything(mine)} & {*everything(other)}
    with pytest.raises(InvalidEventId):
        mine.page("1-5", None, 10)
    with pytest.raises(InvalidEventId):
        mine.page("control-5", None, 10)


def test_pages_filters_and_times_select(databases: Databases) -> None:
    engine, events = databases.shard_database(0), feed(databases, 7)
    with transaction(engine) as connection:
        publish(connection, 0, [(7, SyncStopped()), (7, EmailReceived(segment="a", ids=[])), (7, SyncStopped())])
    between = datetime.now(UTC)
    with transaction(engine) as connection:
        publish(connection, 0, [(7, EmailReceived(segment="b", ids=[]))])

    first = events.page(events.start(), None, 2)
    assert (types(first), first.full) == (["email.sync.stopped", "email.received"], True)
    assert first.cursor == first.items[-1].id
    rest = events.page(first.cursor, None, 2)
    assert types(rest) == ["email.sync.stopped", "email.received"]
    received = events.page(events.start(), ["email.received"], 10)
    assert [event.data["segment"] for event in received.items] == ["a", "b"]
    assert [event.data["segment"] for event in events.page(events.start(between), None, 10).items] == ["b"]
    assert events.page(events.present(), None, 10).items == []


def test_a_position_whose_events_are_deleted_is_refused(databases: Databases) -> None:
    events, old = feed(databases, 7), datetime.now(UTC) - timedelta(days=31)
    cursor = f"0-{position_of(old)}"
    assert events.page(cursor, None, 10).items == []  # nothing was ever published

    with transaction(databases.shard_database(0)) as connection:
        publish(connection, 0, [(8, SyncStopped())])

    with pytest.raises(EventsExpired, match="30 days"):
        events.page(cursor, None, 10)
    quiet = events.page(events.start(), None, 10)
    assert events.page(quiet.cursor, None, 10).cursor == quiet.cursor


def test_an_event_of_the_previous_release_gets_the_next_position(databases: Databases) -> None:
    old = (Path(__file__).parents[1] / "previous_release" / "outbox_insert.sql").read_text().partition("\nINSERT")
    values = {"shard_id": 0, "user_ids": [7], "types": ["messages.stored"], "data": ['{"segment": "s", "messages": 1}']}
    engine, events = databases.shard_database(0), feed(databases, 7)
    for _ in range(2):
        with transaction(engine) as connection:
            publish(connection, 0, [(7, SyncStopped())])
        with transaction(engine) as connection:
            connection.execute(text("INSERT" + old[2]), values)

    assert types(events.page(events.start(), None, 10)) == ["email.sync.stopped", "messages.stored"] * 2


def test_events_of_the_control_database_reach_their_user_once(databases: Databases, archive_root: Path) -> None:
    control = Control(databases.control)
    user = control.add_user("ann@example.com")
    control.pause(user.user_id, True)
    forwarder, events = Forwarder(databases, control.shards), feed(databases, user.user_id, user.shard_id)
    assert forwarder.forward() == 0  # its shard was never owned

    engine = databases.shard_database(control.shards()[user.shard_id])
    Shard(engine, archive_root, leases.acquire(engine, user.shard_id, "owner", "cluster", 60))
    threads = [threading.Thread(target=Forwarder(databases, control.shards).forward) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    forwarder.forward()
    control.pause(user.user_id, False)

    assert forwarder.forward() == 1
    assert forwarder.forward() == 0
    page = events.page(events.start(), None, 10)
    assert types(page) == ["account.added", "account.paused", "account.resumed"]
    assert page.items[0].at < page.items[1].at


def test_operators_see_the_fleet_without_mail(databases: Databases, archive_root: Path) -> None:
    control, events = Control(databases.control), fleet(databases)
    user = control.add_user("ann@example.com")
    for shard_id in (0, 1):
        engine = databases.shard_database(control.shards()[shard_id])
        leases.acquire(engine, shard_id, "owner", "cluster", 60)
        with transaction(engine) as connection:
            publish(connection, shard_id, [(70 + shard_id, EmailReceived(segment="s", ids=["a"]))])
            publish(connection, shard_id, [(70 + shard_id, SyncStopped())])
    Forwarder(databases, control.shards).forward()

    page = events.page(events.start(), None, 100)

    assert sorted(types(page)) == ["account.added", *["email.sync.stopped"] * 2, *["owner.replaced"] * 2]
    assert [event.position for event in page.items] == sorted(event.position for event in page.items)
    assert [event.user_id for event in page.items if event.type == "account.added"] == [user.user_id]
    assert events.page(events.start(), ["email.received"], 100).items == []
    one_by_one, cursor = [], events.start()
    for _ in range(5):
        single = events.page(cursor, None, 1)
        one_by_one += single.items
        cursor = single.cursor
    assert one_by_one == page.items
    assert set(decode_fleet(cursor)) == {-1, 0, 1, 2, 3}
    assert events.page(events.present(), None, 10).items == []
