"""How large a request may be, how long it may take, how many there may be at a time."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import problems


class BodyLimitMiddleware:
    """Refuses bodies that are larger than the limit, by what they say and by what arrives."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app, self._limit_bytes = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > self._limit_bytes:
            await problems.of_status(scope, 413 if declared.isdecimal() else 400)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise _TooLarge
            return message

        noted = _Noted(send)
        try:
            await self._app(scope, counted, noted)
        except _TooLarge:
            if noted.started:
                raise
            await problems.of_status(scope, 413)(scope, receive, send)


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
    """Refuses what comes beyond so many requests at a time, at once: a queue that only grows serves nobody.

    Streams count as long as they last. Health is asked beside it: a busy replica is not a dead one.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most, self._running = app, most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        if self._running >= self._most:
            await problems.overloaded(scope)(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1


class _TooLarge(BaseException):
    """The body outgrew the limit. No `Exception`, so that nobody who parses the body takes it for bad input."""


class _Noted:
    """Sends, and knows whether anything was sent."""

    def __init__(self, send: Send) -> None:
        self._send, self.started = send, False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)
