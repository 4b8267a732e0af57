"""How large a request may be, how long it may take, how many there may be at a time."""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import problems
from serve.http.errors import Overloaded, RateLimited
from serve.http.fair_slots import FairSlots, acting_caller, share
from storage.errors import BackupError

#: Of places, what one caller may hold.
_PART = 0.25
#: Seconds that a request may wait for a place.
_WAIT_S = 5.0


class BodyMiddleware:
    """Reads a request's body whole before anything works on the request, bounded in size and time.

    Bodies that are large (cluster/haproxy.py waits for small ones) occupy nobody's place while they arrive: only so
    many are read at a time, and of one caller a quarter of them.
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
            await self._app(scope, receive, send)  # 404 and 405 read nothing
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
            return  # nobody is there to be answered
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
    """Gives the body, then what else there is: that the client is gone."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


class DeadlineMiddleware:
    """Ends requests that take too long: 504 as long as nothing was answered, else the connection is cut.

    A route that streams (`Policy.streaming`) is free of it once its answer has begun.
    """

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self._app, self._timeout_s = app, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noted = _Noted(send)
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:

                async def released(message: Message) -> None:
                    policy = scope["state"].get("policy")
                    if message["type"] == "http.response.start" and policy is not None and policy.streaming:
                        deadline.reschedule(None)
                    await noted(message)

                await self._app(scope, receive, released)
        except TimeoutError:
            if noted.started or not deadline.expired():
                raise
            await problems.of_status(scope, 504)(scope, receive, send)


class ConcurrencyLimitMiddleware:
    """Lets so many requests work at a time; so many more wait for a moment, by turns of their callers.

    One caller has a quarter of the places, and is told 429 beyond; sign-ins have places of their own. Streams count as
    long as they last; an answer that is being sent does not (serve/http/paced_response.py). Health is asked beside it:
    a busy replica is not a dead one.
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
    return FairSlots(places, each, waiting_each=each, wait_s=wait_s, waiting=waiting, total_each=each)


class _TooLarge(Exception):
    """The body outgrew the limit."""


class _Noted:
    """Sends, and knows whether anything was sent."""

    def __init__(self, send: Send) -> None:
        self._send, self.started = send, False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)
