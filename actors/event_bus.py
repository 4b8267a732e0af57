"""Delivers events to named consumers, at least once and in order per user.

For each consumer and shard: reads a batch after the stored offset, hands it to the consumer's handlers, and stores the
offset of the batch. Events of one user are handled one after the other, those of different users concurrently. An event
that fails is retried with growing delays, then kept as a dead letter, and the user's next event follows. A kill at any
point repeats at most the batches that were being handled. Knows neither Ray nor Postgres: both are behind ports.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.config import EventsConfig
from storage.errors import BackupError
from storage.events.consumers import DeadLetter, Offset
from storage.events.stored_event import StoredEvent

_LOG = logging.getLogger(__name__)

Handler = Callable[[StoredEvent], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]
Wait = Callable[[], Awaitable[None]]


class Worker(Protocol):
    """Works beside the bus, for example at what a handler has queued. `actors.webhooks.WebhookWorker` is one."""

    async def run(self, wait: Wait) -> None:
        """For ever. `wait`: returns when there may be something to do."""


class EventSource(Protocol):
    """The outboxes of all shards and of the control database."""

    async def heads(self) -> Mapping[int, int]:
        """The highest position of every shard."""

    async def read(self, shard_id: int, after: int, types: Sequence[str], limit: int) -> tuple[list[StoredEvent], int]:
        """Events of a shard after a position, and the position up to which that is all of them."""


class Offsets(Protocol):
    """`storage.events.consumers.ConsumerStore`, without blocking."""

    async def offsets(self, consumer: str) -> Mapping[int, Offset]: ...

    async def create(self, consumer: str, positions: Mapping[int, int]) -> None: ...

    async def advance(self, consumer: str, shard_id: int, before: Offset, position: int) -> bool: ...

    async def bury(self, consumer: str, event: StoredEvent, attempts: int, error: str) -> None: ...

    async def due(self, consumer: str) -> Sequence[DeadLetter]: ...

    async def forget(self, consumer: str, key: tuple[int, int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Consumer:
    """Handlers by type of event. from_start: its first offset is before all stored events, not after them."""

    name: str
    handlers: Mapping[str, Handler]
    from_start: bool = False


class EventBus:
    """Delivers to all consumers."""

    def __init__(
        self,
        source: EventSource,
        offsets: Offsets,
        consumers: Sequence[Consumer],
        config: EventsConfig,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._source, self._offsets, self._consumers = source, offsets, consumers
        self._config, self._sleep = config, sleep
        #: Deliveries of this process, by consumer: handled, retried, dead.
        self.counts: dict[str, dict[str, int]] = {
            consumer.name: {"handled": 0, "retried": 0, "dead": 0} for consumer in consumers
        }

    async def run(self, waiter: Callable[[], Wait]) -> None:
        """Deliver events for ever. Each consumer and each shard goes on by itself.

        Args:
            waiter: makes what returns when there may be new events since it last returned.
        """
        async with asyncio.TaskGroup() as tasks:
            for consumer in self._consumers:
                tasks.create_task(self._follow(consumer, waiter(), tasks))

    async def drain(self) -> int:
        """Deliver everything that is published now; returns the number of events delivered.

        Raises:
            BackupError: a store does not answer; what was acknowledged stays so, and the next call continues.
        """
        count = 0
        for consumer in self._consumers:
            await self._redeliver(consumer)
            for shard_id, offset in (await self._behind(consumer)).items():
                count += await self._shard(consumer, shard_id, offset)
        return count

    async def _follow(self, consumer: Consumer, wait: Wait, tasks: asyncio.TaskGroup) -> None:
        busy: set[int] = set()

        async def deliver(shard_id: int, offset: Offset) -> None:
            try:
                await self._shard(consumer, shard_id, offset)
            except BackupError as exc:
                _LOG.warning("%s stops at shard %d for now: %s", consumer.name, shard_id, exc)
            finally:
                busy.discard(shard_id)

        async def redeliver() -> None:
            try:
                await self._redeliver(consumer)
            except BackupError as exc:
                _LOG.warning("Dead letters of %s wait: %s", consumer.name, exc)

        letters: asyncio.Task[None] | None = None
        while True:
            if letters is None or letters.done():  # of its own: their retries delay no other event
                letters = tasks.create_task(redeliver())
            try:
                for shard_id, offset in (await self._behind(consumer)).items():
                    if shard_id not in busy:
                        busy.add(shard_id)
                        tasks.create_task(deliver(shard_id, offset))
            except BackupError as exc:
                _LOG.warning("%s waits: %s", consumer.name, exc)
            await wait()

    async def _behind(self, consumer: Consumer) -> dict[int, Offset]:
        """Shards that have events after the consumer's offset. Records the offsets of new shards."""
        heads = await self._source.heads()
        known = await self._offsets.offsets(consumer.name)
        if new := heads.keys() - known.keys():
            first = {shard_id: 0 if consumer.from_start else heads[shard_id] for shard_id in new}
            await self._offsets.create(consumer.name, first)
            known = await self._offsets.offsets(consumer.name)
        return {shard_id: known[shard_id] for shard_id, head in heads.items() if known[shard_id].position < head}

    async def _shard(self, consumer: Consumer, shard_id: int, offset: Offset) -> int:
        count = 0
        while True:
            limit = self._config.batch
            events, reached = await self._source.read(shard_id, offset.position, [*consumer.handlers], limit)
            await self._batch(consumer, events)
            count += len(events)
            if reached > offset.position:
                if not await self._offsets.advance(consumer.name, shard_id, offset, reached):
                    _LOG.info("The offset of %s in shard %d was changed: it is read again", consumer.name, shard_id)
                    return count
                offset = Offset(reached, offset.replays)
            if len(events) < limit:
                return count

    async def _batch(self, consumer: Consumer, events: Sequence[StoredEvent]) -> None:
        """Handle events: those of a user, and those about no mailbox, in order."""
        by_user: dict[int | None, list[StoredEvent]] = {}
        for event in events:
            by_user.setdefault(event.user_id, []).append(event)
        places = asyncio.Semaphore(self._config.concurrency)

        async def in_order(some: Sequence[StoredEvent]) -> None:
            async with places:
                for event in some:
                    if (error := await self._deliver(consumer, event)) is not None:
                        await self._offsets.bury(consumer.name, event, self._config.attempts, error)
                        self.counts[consumer.name]["dead"] += 1

        ended = await asyncio.gather(*map(in_order, by_user.values()), return_exceptions=True)
        for failure in ended:
            if failure is not None:
                raise failure

    async def _deliver(self, consumer: Consumer, event: StoredEvent) -> str | None:
        """Handle one event; returns the last error if all attempts failed."""
        handler, delay_s, error = consumer.handlers[event.type], self._config.first_delay_s, ""
        for attempt in range(1, self._config.attempts + 1):
            try:
                await handler(event)
            except Exception as exc:  # noqa: BLE001 - a handler's defect must not stop the delivery of other events
                error = f"{type(exc).__name__}: {exc}"
                _LOG.warning("%s: attempt %d at event %s failed: %s", consumer.name, attempt, event.id, error)
                if attempt < self._config.attempts:
                    self.counts[consumer.name]["retried"] += 1
                    await self._sleep(delay_s)
                    delay_s = min(2 * delay_s, self._config.longest_delay_s)
            else:
                self.counts[consumer.name]["handled"] += 1
                return None
        return error

    async def _redeliver(self, consumer: Consumer) -> None:
        """Deliver the dead letters that an operator has asked for."""
        for letter in await self._offsets.due(consumer.name):
            event = letter.event
            if event.type not in consumer.handlers:
                continue
            if (error := await self._deliver(consumer, event)) is None:
                await self._offsets.forget(consumer.name, (event.shard_id, event.position))
            else:
                await self._offsets.bury(consumer.name, event, self._config.attempts, error)
