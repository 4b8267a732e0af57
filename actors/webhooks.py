"""Webhooks: the handler that queues deliveries of an event, and the worker that sends them.

Retries are spread over three days, with jitter; then a delivery fails. 410 disables the webhook, as does a secret that
no key opens. Retry-After is obeyed. A kill between sending and recording sends again, with the same `webhook-id`.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from jobs.webhooks.config import WebhookConfig
from jobs.webhooks.sending import Answer, post
from jobs.webhooks.signing import sign
from storage.control.sealing import KeyUnknown, SealBroken
from storage.control.webhooks import DueDelivery, Subscription, Webhooks
from storage.errors import BackupError
from storage.events.stored_event import StoredEvent

_LOG = logging.getLogger(__name__)

#: Seconds until the second attempt, the third, and so on: 75 hours in all.
DELAYS_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
#: Share of a delay by which it varies.
_JITTER = 0.2
#: Bytes of a payload; lists are left out of a larger one.
MOST_BYTES = 20_000
#: Seconds for which the list of webhooks is used.
_KNOWN_S = 1.0
#: Seconds between two deletions of old deliveries.
_FORGET_EVERY_S = 3600.0

Send = Callable[[str, Sequence[str], bytes], Answer]


def payload(event: StoredEvent) -> str:
    """The body: the event as CloudEvent, with the `timestamp` of Standard Webhooks. Under 20 KB, without mail."""
    document = event.cloud_event()
    document["timestamp"] = document["time"]
    body = orjson.dumps(document)
    if len(body) > MOST_BYTES:
        data: dict[str, Any] = document["data"]
        document["data"] = {name: value for name, value in data.items() if not isinstance(value, list | dict)}
        document["data"]["omitted"] = [name for name, value in data.items() if isinstance(value, list | dict)]
        body = orjson.dumps(document)
    return body.decode()


class WebhookQueue:
    """Queues the deliveries of events."""

    def __init__(self, webhooks: Webhooks, clock: Callable[[], float] = time.monotonic) -> None:
        self._webhooks, self._clock = webhooks, clock
        self._known: dict[int, list[Subscription]] = {}
        self._until = -float("inf")
        self._lock = asyncio.Lock()

    async def handle(self, event: StoredEvent) -> None:
        """Queue an event for every webhook of its user that wants its type."""
        if event.user_id is None:
            return
        async with self._lock:
            if self._clock() >= self._until:
                known: dict[int, list[Subscription]] = {}
                for one in await asyncio.to_thread(self._webhooks.enabled):
                    known.setdefault(one.user_id, []).append(one)
                self._known, self._until = known, self._clock() + _KNOWN_S
        wanted = [one for one in self._known.get(event.user_id, ()) if one.types is None or event.type in one.types]
        if wanted:
            body = payload(event)
            deliveries = [(one.webhook_id, event.id, event.type, body) for one in wanted]
            await asyncio.to_thread(self._webhooks.enqueue, deliveries)


class WebhookWorker:
    """Sends what is queued, for ever."""

    def __init__(self, webhooks: Webhooks, config: WebhookConfig, send: Send | None = None) -> None:
        self._webhooks, self._config = webhooks, config
        self._send = send or self._post
        # Own threads: receivers that stall must not take those in which the bus reads and stores.
        self._threads = ThreadPoolExecutor(config.concurrency, thread_name_prefix="webhook")
        self._busy: set[tuple[str, str]] = set()
        self._of: Counter[str] = Counter()

    async def run(self, wait: Callable[[], Awaitable[None]]) -> None:
        """Send deliveries as they become due. `wait`: returns when there may be new ones."""
        forget_at = 0.0
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    await self.begin(tasks)
                    if time.monotonic() >= forget_at:
                        forget_at = time.monotonic() + _FORGET_EVERY_S
                        await asyncio.to_thread(self._webhooks.forget, self._config.log_days)
                except BackupError as exc:
                    _LOG.warning("Webhooks wait: %s", exc)
                await wait()

    async def begin(self, tasks: asyncio.TaskGroup) -> int:
        """Begin as many due deliveries as may run; returns their number."""
        begun = 0
        for delivery in await asyncio.to_thread(
            self._webhooks.due, 2 * self._config.concurrency, self._config.per_webhook
        ):
            key = delivery.webhook_id, delivery.event_id
            if len(self._busy) >= self._config.concurrency:
                break
            if key not in self._busy and self._of[delivery.webhook_id] < self._config.per_webhook:
                self._busy.add(key)
                self._of[delivery.webhook_id] += 1
                tasks.create_task(self._deliver(delivery))
                begun += 1
        return begun

    async def _deliver(self, delivery: DueDelivery) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._attempt, delivery)
        except BackupError as exc:
            _LOG.warning("The delivery of %s to webhook %s waits: %s", delivery.event_id, delivery.webhook_id, exc)
        except Exception as exc:  # noqa: BLE001 - a defect must neither end the other deliveries nor repeat at once
            _LOG.error("Delivery %s to webhook %s failed", delivery.event_id, delivery.webhook_id, exc_info=exc)
            await self._defective(delivery, type(exc).__name__)
        finally:
            self._busy.discard((delivery.webhook_id, delivery.event_id))
            self._of[delivery.webhook_id] -= 1
            self._of += Counter()

    async def _defective(self, delivery: DueDelivery, error: str) -> None:
        last = delivery.attempts >= len(DELAYS_S)
        wait_s = 0.0 if last else delay_s(delivery.attempts, Answer(None, error))
        state = "failed" if last else "pending"
        try:
            await asyncio.to_thread(self._webhooks.attempted, delivery, state, wait_s, None, error)
        except BackupError as exc:
            _LOG.warning("The attempt at %s could not be recorded: %s", delivery.event_id, exc)

    def _attempt(self, delivery: DueDelivery) -> None:
        try:
            secret = self._webhooks.secret(delivery)
        except SealBroken:
            self._webhooks.disable(delivery.webhook_id, "Its secret cannot be opened: create the webhook again.")
            return
        except KeyUnknown as exc:  # while keys are rotated; it ends when the cluster has the key
            wait_s = delay_s(min(delivery.attempts, len(DELAYS_S) - 1), Answer(None, str(exc)))
            self._webhooks.attempted(delivery, "pending", wait_s, None, str(exc))
            return
        answer = self._send(delivery.url, headers(secret, delivery), delivery.payload.encode())
        if answer.status == 410:
            self._webhooks.attempted(delivery, "failed", 0.0, 410, answer.error)
            self._webhooks.disable(delivery.webhook_id, "The receiver responded with 410 Gone.")
            return
        if answer.delivered:
            self._webhooks.attempted(delivery, "delivered", 0.0, answer.status, None)
        elif delivery.attempts >= len(DELAYS_S):
            self._webhooks.attempted(delivery, "failed", 0.0, answer.status, answer.error)
        else:
            self._webhooks.attempted(
                delivery, "pending", delay_s(delivery.attempts, answer), answer.status, answer.error
            )

    def _post(self, url: str, lines: Sequence[str], body: bytes) -> Answer:
        return post(url, lines, body, self._config.timeout_s, self._config.allow_private)


def delay_s(attempts: int, answer: Answer, jitter: Callable[[], float] = random.random) -> float:
    """Seconds until the next attempt after `attempts` earlier ones and this one."""
    planned = DELAYS_S[attempts] * (1 + _JITTER * (2 * jitter() - 1))
    return max(planned, answer.wait_s or 0.0)


def headers(secret: str, delivery: DueDelivery, now: Callable[[], float] = time.time) -> list[str]:
    """The headers of an attempt."""
    timestamp = int(now())
    signature = sign(secret, delivery.event_id, timestamp, delivery.payload.encode())
    return [
        f"webhook-id: {delivery.event_id}",
        f"webhook-timestamp: {timestamp}",
        f"webhook-signature: {signature}",
    ]
