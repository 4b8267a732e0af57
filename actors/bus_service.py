"""Runs the event bus over the databases of a cluster: one bus at a time, woken by notifications of Postgres.

A bus works only while it holds a lock of the control database, so two processes (an actor that was replaced may live
for some seconds) never deliver at once; the offsets are safe even then. Knows no Ray: actors/remote/event_bus.py does.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from actors.config import EventsConfig
from actors.event_bus import Consumer, EventBus, Worker
from storage.control.control import Control
from storage.db.engines import Databases
from storage.db.listening import Session
from storage.errors import BackupError
from storage.events.consumers import ConsumerStore, DeadLetter, Offset
from storage.events.forwarding import Forwarder
from storage.events.log import FleetEvents
from storage.events.stored_event import StoredEvent

_LOG = logging.getLogger(__name__)

#: "evbus": one bus at a time.
_LOCK = 0x6576627573
#: Seconds between two looks whether the lock is free, or still held.
_LOCK_S = 1.0
#: Seconds that a listener waits, and until it connects again.
_LISTEN_S, _AGAIN_S = 5.0, 1.0
#: Seconds between two rounds at least, so that a burst of commits does not cause one round each.
_PAUSE_S = 0.05


class LockLost(BackupError):
    """The control database's connection that held the lock is gone. Take the lock again before delivering."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "The event bus lost its lock in the control database: wait until it has the lock again."


@dataclass(frozen=True)
class Outboxes:
    """`actors.event_bus.EventSource` over Postgres."""

    log: FleetEvents

    async def heads(self) -> Mapping[int, int]:
        """The highest position of every shard."""
        return await asyncio.to_thread(self.log.heads, skip_unreachable=True)

    async def read(self, shard_id: int, after: int, types: Sequence[str], limit: int) -> tuple[list[StoredEvent], int]:
        """Events of a shard after a position."""
        return await asyncio.to_thread(self.log.of_shard, shard_id, after, types, limit)


@dataclass(frozen=True)
class StoredOffsets:
    """`actors.event_bus.Offsets` over Postgres."""

    store: ConsumerStore

    async def offsets(self, consumer: str) -> Mapping[int, Offset]:
        """A consumer's offsets."""
        return await asyncio.to_thread(self.store.offsets, consumer)

    async def create(self, consumer: str, positions: Mapping[int, int]) -> None:
        """First offsets."""
        await asyncio.to_thread(self.store.create, consumer, positions)

    async def advance(self, consumer: str, shard_id: int, before: Offset, position: int) -> bool:
        """Advance an offset."""
        return await asyncio.to_thread(self.store.advance, consumer, shard_id, before, position)

    async def bury(self, consumer: str, event: StoredEvent, attempts: int, error: str) -> None:
        """Keep a dead letter."""
        await asyncio.to_thread(self.store.bury, consumer, event, attempts, error)

    async def due(self, consumer: str) -> Sequence[DeadLetter]:
        """Dead letters to deliver again."""
        return await asyncio.to_thread(self.store.due, consumer)

    async def forget(self, consumer: str, key: tuple[int, int]) -> None:
        """Delete a dead letter that was handled."""
        await asyncio.to_thread(self.store.delete, consumer, key)


class Wakeups:
    """Wakes those who wait for events: by notifications, and after `poll_s` without one."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s, self._number, self._event = poll_s, 0, asyncio.Event()

    def notify(self) -> None:
        """There may be new events."""
        self._number += 1
        self._event.set()
        self._event = asyncio.Event()

    def waiter(self) -> Callable[[], Awaitable[None]]:
        """Returns when there was a notification since it last returned, or after the poll interval."""
        seen = self._number

        async def wait() -> None:
            nonlocal seen
            await asyncio.sleep(_PAUSE_S)
            if seen == self._number:
                try:
                    await asyncio.wait_for(self._event.wait(), self._poll_s)
                except TimeoutError:
                    _LOG.debug("No notification of events for %.1f s: polling", self._poll_s)
            seen = self._number

        return wait


class BusService:
    """The event bus of a cluster."""

    def __init__(
        self, databases: Databases, consumers: Sequence[Consumer], workers: Sequence[Worker], config: EventsConfig
    ) -> None:
        self._databases, self._workers, self._config = databases, workers, config
        control = Control(databases.control)
        self._forwarder = Forwarder(databases, control.shards)
        log = FleetEvents(databases, control.shards, databases.retention.outbox_days)
        offsets = StoredOffsets(ConsumerStore(databases.control))
        self.bus = EventBus(Outboxes(log), offsets, consumers, config)

    async def run(self) -> None:
        """Work for ever; while another bus holds the lock, wait."""
        while True:
            with Session(self._databases.dsns()[0], "gbm event bus lock") as lock:
                try:
                    if await asyncio.to_thread(lock.try_lock, _LOCK):
                        _LOG.info("The event bus works")
                        await self._work(lock)
                except* BackupError as group:
                    _LOG.warning("The event bus waits: %s", group.exceptions[0])
            await asyncio.sleep(_LOCK_S)

    async def _work(self, lock: Session) -> None:
        wakeups, ended = Wakeups(self._config.poll_s), threading.Event()
        loop = asyncio.get_running_loop()
        listeners = [
            threading.Thread(target=_listen, args=(dsn, ended, loop, wakeups), name="listen", daemon=True)
            for dsn in self._databases.dsns()
        ]
        for listener in listeners:
            listener.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forward(wakeups.waiter()))
                tasks.create_task(self.bus.run(wakeups.waiter))
                tasks.create_task(_keep(lock))
                for worker in self._workers:
                    tasks.create_task(worker.run(wakeups.waiter()))
        finally:
            ended.set()

    async def _forward(self, wait: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await asyncio.to_thread(self._forwarder.forward)
            except BackupError as exc:
                _LOG.warning("Events of the control database are not forwarded for now: %s", exc)
            await wait()


async def _keep(lock: Session) -> None:
    while True:
        if not await asyncio.to_thread(lock.is_alive):
            raise LockLost
        await asyncio.sleep(_LOCK_S)


def _listen(dsn: str, ended: threading.Event, loop: asyncio.AbstractEventLoop, wakeups: Wakeups) -> None:
    """Pass the notifications of one database on, in a thread of its own."""
    with Session(dsn, "gbm event bus") as session:
        while not ended.is_set():
            try:
                if session.wait(_LISTEN_S) and not loop.is_closed():
                    loop.call_soon_threadsafe(wakeups.notify)
            except BackupError as exc:
                _LOG.warning("Events are polled: %s", exc)
                ended.wait(_AGAIN_S)
