"""The bus that delivers events: every event is handled, in order per user, whenever the bus is killed."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from actors.config import EventsConfig
from actors.event_bus import Consumer, EventBus
from storage.errors import BackupError
from storage.events.consumers import DeadLetter, Offset
from storage.events.stored_event import StoredEvent

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Killed(BackupError):
    """The process of the bus was killed."""


class Dead(BaseException):
    """The process was killed within a handler."""


class Outboxes:
    """Events of shards in memory. A store, an offset or a handler that is used may be the last thing that is done."""

    def __init__(self, kill: Random | None = None, share: float = 0.0) -> None:
        self.events: defaultdict[int, list[StoredEvent]] = defaultdict(list)
        self.stored: defaultdict[str, dict[int, Offset]] = defaultdict(dict)
        self.dead: dict[tuple[str, int, int], DeadLetter] = {}
        self.again: set[tuple[str, int, int]] = set()
        self.kills, self._kill, self._share = 0, kill, share

    def publish(self, shard_id: int, user_id: int | None, kind: str = "a", count: int = 1) -> None:
        for _ in range(count):
            position = 10 * (len(self.events[shard_id]) + 1)
            at = NOON + timedelta(microseconds=position)
            self.events[shard_id].append(StoredEvent(shard_id, position, user_id, kind, 1, {}, at))

    def maybe_killed(self) -> None:
        if self._kill is not None and self._kill.random() < self._share:
            self.kills += 1
            raise Killed

    async def heads(self) -> Mapping[int, int]:
        self.maybe_killed()
        return {shard_id: events[-1].position for shard_id, events in self.events.items()}

    async def read(self, shard_id: int, after: int, types: Sequence[str], limit: int) -> tuple[list[StoredEvent], int]:
        self.maybe_killed()
        rest = self.events[shard_id][after // 10 :]
        found = [event for event in rest[: 4 * limit] if event.type in types][:limit]
        full = len(found) == limit or len(rest) > 4 * limit
        head = found[-1].position if full and found else (rest[: 4 * limit] or self.events[shard_id])[-1].position
        return found, max(head, after)

    async def offsets(self, consumer: str) -> Mapping[int, Offset]:
        self.maybe_killed()
        return dict(self.stored[consumer])

    async def create(self, consumer: str, positions: Mapping[int, int]) -> None:
        for shard_id, position in positions.items():
            self.stored[consumer].setdefault(shard_id, Offset(position))
        self.maybe_killed()

    async def advance(self, consumer: str, shard_id: int, before: Offset, position: int) -> bool:
        self.maybe_killed()
        if self.stored[consumer][shard_id] != before:
            return False
        self.stored[consumer][shard_id] = Offset(position, before.replays)
        self.maybe_killed()
        return True

    async def bury(self, consumer: str, event: StoredEvent, attempts: int, error: str) -> None:
        self.maybe_killed()
        self.dead[consumer, event.shard_id, event.position] = DeadLetter(consumer, event, attempts, error, NOON)
        self.again.discard((consumer, event.shard_id, event.position))

    async def due(self, consumer: str) -> Sequence[DeadLetter]:
        return [self.dead[key] for key in sorted(self.again) if key[0] == consumer]

    async def forget(self, consumer: str, key: tuple[int, int]) -> None:
        self.again.discard((consumer, *key))
        del self.dead[consumer, *key]

    def replay(self, consumer: str, shard_id: int, position: int) -> None:
        self.stored[consumer][shard_id] = Offset(position, self.stored[consumer][shard_id].replays + 1)


async def no_sleep(_seconds: float) -> None:
    """Time passes at once."""


def bus(outboxes: Outboxes, *consumers: Consumer, **config: int) -> EventBus:
    return EventBus(outboxes, outboxes, consumers, EventsConfig(**config), no_sleep)


def first_times(handled: Sequence[StoredEvent]) -> dict[tuple[int, int | None], list[int]]:
    """Positions in the order in which they were first handled, by shard and user."""
    found: defaultdict[tuple[int, int | None], dict[int, None]] = defaultdict(dict)
    for event in handled:
        found[event.shard_id, event.user_id][event.position] = None
    return {key: list(positions) for key, positions in found.items()}


async def finish(outboxes: Outboxes, consumer: Consumer) -> None:
    """Run the bus, and start another one whenever it is killed, until nothing is left."""
    while True:
        current = bus(outboxes, consumer, batch=200)
        try:
            while await current.drain():
                pass
        except Killed:
            continue
        return


async def test_100_000_events_are_handled_in_order_although_the_bus_is_killed_at_random() -> None:
    random = Random(18)
    outboxes, handled = Outboxes(random, 0.02), list[StoredEvent]()
    for number in range(100_000):
        outboxes.publish(number % 8, 1000 * (number % 8) + random.randrange(50), random.choice("aab"))

    async def handle(event: StoredEvent) -> None:
        if random.random() < 0.0005:  # killed before it has done anything
            outboxes.kills += 1
            raise Dead
        handled.append(event)

    async def survive() -> None:
        while True:
            try:
                await finish(outboxes, Consumer("c", {"a": handle, "b": handle}, from_start=True))
            except Dead:
                continue
            return

    await survive()

    expected = {(event.shard_id, event.user_id): list[int]() for events in outboxes.events.values() for event in events}
    for events in outboxes.events.values():
        for event in events:
            expected[event.shard_id, event.user_id].append(event.position)
    assert outboxes.kills > 50
    assert first_times(handled) == expected
    assert len({event.id for event in handled}) == 100_000 < len(handled)
    assert {shard: offset.position for shard, offset in outboxes.stored["c"].items()} == {
        shard_id: events[-1].position for shard_id, events in outboxes.events.items()
    }
    assert outboxes.dead == {}

    before, handled[:] = first_times(handled), []
    for shard_id in outboxes.events:
        outboxes.replay("c", shard_id, 0)
    await survive()
    assert first_times(handled) == before


async def test_an_event_that_always_fails_becomes_a_dead_letter_and_its_user_goes_on() -> None:
    outboxes, handled, delays = Outboxes(), list[int](), list[float]()
    outboxes.publish(0, 1, count=3)
    broken = True

    async def handle(event: StoredEvent) -> None:
        if event.position == 20 and broken:
            raise ValueError("no")
        handled.append(event.position)

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    consumer = Consumer("c", {"a": handle}, from_start=True)
    one = EventBus(outboxes, outboxes, [consumer], EventsConfig(attempts=4), sleep)
    await one.drain()

    assert handled == [10, 30]
    assert delays == [0.5, 1.0, 2.0]
    assert outboxes.dead["c", 0, 20].error == "ValueError: no"
    assert one.counts == {"c": {"handled": 2, "retried": 3, "dead": 1}}

    outboxes.again.add(("c", 0, 20))
    await one.drain()
    assert set(outboxes.dead) == {("c", 0, 20)}
    assert outboxes.again == set()
    broken = False
    outboxes.again.add(("c", 0, 20))
    await one.drain()
    assert (handled, outboxes.dead) == ([10, 30, 20], {})


async def test_a_new_consumer_begins_at_the_present_unless_it_wants_all() -> None:
    outboxes, seen = Outboxes(), defaultdict[str, list[int]](list)
    outboxes.publish(0, 1, count=2)

    def consumer(name: str, from_start: bool) -> Consumer:
        async def handle(event: StoredEvent) -> None:
            seen[name].append(event.position)

        return Consumer(name, {"a": handle}, from_start)

    both = bus(outboxes, consumer("new", False), consumer("all", True))
    await both.drain()
    outboxes.publish(0, 1)
    await both.drain()

    assert seen == {"new": [30], "all": [10, 20, 30]}


async def test_events_without_a_handler_move_the_offset() -> None:
    outboxes = Outboxes()
    outboxes.publish(0, 1, "other", count=5)

    async def never(event: StoredEvent) -> None:
        raise AssertionError(event)

    await bus(outboxes, Consumer("c", {"a": never}, from_start=True)).drain()

    assert outboxes.stored["c"] == {0: Offset(50)}


async def test_a_replay_during_a_delivery_is_not_overwritten() -> None:
    outboxes, handled = Outboxes(), list[int]()
    outboxes.publish(0, 1, count=3)

    async def handle(event: StoredEvent) -> None:
        handled.append(event.position)
        if handled == [10]:
            outboxes.replay("c", 0, 10)

    one = bus(outboxes, Consumer("c", {"a": handle}, from_start=True))
    await one.drain()
    assert outboxes.stored["c"] == {0: Offset(10, 1)}
    await one.drain()

    assert handled == [10, 20, 30, 20, 30]
    assert outboxes.stored["c"] == {0: Offset(30, 1)}


async def test_a_failing_user_does_not_hold_others_of_the_batch_back() -> None:
    outboxes, order, slept = Outboxes(), list[int | None](), list[list[int | None]]()
    outboxes.publish(0, 1)
    outboxes.publish(0, 2)

    async def handle(event: StoredEvent) -> None:
        if event.user_id == 1:
            raise ValueError
        order.append(event.user_id)

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)
        slept.append(list(order))

    await EventBus(outboxes, outboxes, [Consumer("c", {"a": handle}, True)], EventsConfig(), sleep).drain()

    assert slept[0] == [2]  # handled while the first waits for another attempt
    assert set(outboxes.dead) == {("c", 0, 10)}


@pytest.mark.parametrize("types", [("a",), ("a", "b")])
async def test_events_of_nobody_are_handled_in_order(types: tuple[str, ...]) -> None:
    outboxes, handled = Outboxes(), list[int]()
    for _ in range(20):
        outboxes.publish(-1, None, "a")
        outboxes.publish(-1, None, "b")

    async def handle(event: StoredEvent) -> None:
        handled.append(event.position)

    await bus(outboxes, Consumer("c", dict.fromkeys(types, handle), True), batch=7).drain()

    assert handled == [event.position for event in outboxes.events[-1] if event.type in types]
