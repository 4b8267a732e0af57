"""Limits on the size, duration and number of concurrent requests."""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import problems
from serve.http.errors import Overloaded, RateLimited
from serve.http.fair_slots import FairSlots, acting_caller, share
from storage.errors import BackupError

#: Share of the slots that one caller may hold.
_PART = 0.25
#: Seconds that a request may wait for a place.
_WAIT_S = 5.0


class BodyMiddleware:
    """Reads the whole body before the request is processed, with limits on size and time.

    Slow bodies do not occupy the slots of running requests: they have slots of their own, of which one caller may hold
    a quarter. cluster/haproxy.py buffers small bodies.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, timeout_s: float, most: int) -> None:
        self._app, self._limit_bytes, self._timeout_s = app, limit_bytes, timeout_s
        self._slots = FairSlots(most, share(most, part=_PART))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > self._limit_bytes:
            await problems.of_status(scope, 413 if declared.isdecimal() else 400)(scope, receive, send)
            return
        if scope["state"].get("policy") is None or (declared.strip("0") == "" and "transfer-encoding" not in headers):
            await self._app(scope, receive, send)  # 404 and 405 read no body
            return
        try:
            async with self._slots.place(acting_caller.get()), asyncio.timeout(self._timeout_s):
                body = await _read(receive, self._limit_bytes)
        except TimeoutError:
            await problems.of_status(scope, 408)(scope, receive, send)
        except BackupError as exc:
            await problems.of_error(scope, exc)(scope, receive, send)
        except _TooLarge:
            await problems.of_status(scope, 413)(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, _replayed(body, receive), send)


async def _read(receive: Receive, limit_bytes: int) -> bytes:
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        size, more = size + len(pieces[-1]), message.get("more_body", False)
        if size > limit_bytes:
            raise _TooLarge
    return b"".join(pieces)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields the body, then further messages, such as a disconnect."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


class DeadlineMiddleware:
    """Ends requests that take too long: with 504, or by closing the connection if the response has begun.

    The limit does not apply to streaming routes (`Policy.streaming`) after the response has begun.
    """

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self._app, self._timeout_s = app, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sender = _RecordingSend(send)
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:

                async def released(message: Message) -> None:
                    policy = scope["state"].get("policy")
                    if message["type"] == "http.response.start" and policy is not None and policy.streaming:
                        deadline.reschedule(None)
                    await sender(message)

                await self._app(scope, receive, released)
        except TimeoutError:
            if sender.started or not deadline.expired():
                raise
            await problems.of_status(scope, 504)(scope, receive, send)


class ConcurrencyLimitMiddleware:
    """Limits concurrent requests; some more wait for a moment, by turns of their callers.

    One caller may hold a quarter of the slots; further requests get 429. Sign-ins have slots of their own. A stream
    holds its slot until it ends; sending a response holds none (serve/http/paced_response.py). /health is not limited,
    so that a busy replica counts as healthy.
    """

    def __init__(self, app: ASGIApp, most: int, waiting: int, wait_s: float = _WAIT_S) -> None:
        """`most`: requests at a time; waiting: further ones, which are refused after `wait_s`."""
        self._app = app
        self._slots = _waited_for(most, share(most, least=2, part=_PART), waiting, wait_s)
        logins = share(most, least=4, part=_PART)
        self._logins = _waited_for(logins, share(logins, least=2, part=_PART), waiting, wait_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        policy = scope["state"].get("policy")
        slots, caller = self._logins if policy is not None and policy.login else self._slots, acting_caller.get()
        try:
            await slots.acquire(caller)
        except RateLimited as exc:
            await problems.of_error(scope, exc)(scope, receive, send)
            return
        except Overloaded:
            await problems.overloaded(scope)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            slots.release(caller)


def _waited_for(places: int, each: int, waiting: int, wait_s: float) -> FairSlots:
    """Places for which one waits because of others, not because of what one asks oneself."""
    return FairSlots(places, each, waiting_per_caller=each, wait_s=wait_s, waiting=waiting, total_per_caller=each)


class _TooLarge(Exception):
    """The body exceeds the limit."""


class _RecordingSend:
    """A `send` that records whether the response has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.started = send, False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)
