"""Buffers responses for slow clients in temporary files, so that application and memory are free at once.

A response larger than one piece is written to a temporary file (unlinked, private) while the application produces it,
and sent after the application has finished and given its slot back. The connection of a client that reads too slowly is
closed. Server-sent events are not buffered.
"""

import asyncio
import contextlib
import logging
import tempfile
from typing import BinaryIO, cast

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import problems
from serve.http.errors import RateLimited

_LOG = logging.getLogger(__name__)
#: Maximum bytes of a response in memory. uvicorn buffers 64 KiB more; the kernel has its own buffers.
_PIECE = 256 << 10
#: Seconds that every client has in addition to the time that depends on the size.
_GRACE_S = 30.0
#: One client address may use 1/_PART of the buffer space.
_PART = 4
_RETRY_S = 5.0


class PacedResponseMiddleware:
    """Buffers a response, then sends it."""

    def __init__(self, app: ASGIApp, bytes_per_s: int, most_bytes: int, grace_s: float = _GRACE_S) -> None:
        """Create the middleware.

        Args:
            bytes_per_s: minimum rate at which a client must read.
            most_bytes: maximum size of all buffered responses.
            grace_s: seconds in addition to size / bytes_per_s.
        """
        self._app, self._bytes_per_s, self._most_bytes, self._grace_s = app, bytes_per_s, most_bytes, grace_s
        self._held: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with contextlib.ExitStack() as stack:
            answer = _Answer(self, scope, send, stack)
            try:
                await self._app(scope, receive, answer.take)
            except _TooMuch as exc:
                response = problems.overloaded(scope) if exc.others else problems.of_error(scope, RateLimited(_RETRY_S))
                await response(scope, receive, send)
                return
            try:
                async with asyncio.timeout(self._grace_s + answer.size / self._bytes_per_s):
                    await answer.send_on()
            except TimeoutError:
                _LOG.info("A client read a response of %d bytes too slowly: its connection is closed", answer.size)
                raise SlowReader from None

    def hold(self, address: str, size: int) -> None:
        """Reserve buffer space; raises if the limit is exceeded."""
        if sum(self._held.values()) + size > self._most_bytes:
            raise _TooMuch(self._held.get(address, 0) * 2 < self._most_bytes // _PART)
        if self._held.get(address, 0) + size > self._most_bytes // _PART:
            raise _TooMuch(False)
        self._held[address] = self._held.get(address, 0) + size

    def let_go(self, address: str, size: int) -> None:
        """Release buffer space."""
        self._held[address] -= size
        if not self._held[address]:
            del self._held[address]


class SlowReader(Exception):
    """A client read a response too slowly: the connection is closed."""


class _TooMuch(BaseException):
    """The buffer space is exhausted. Not an `Exception`, so that no handler of the application catches it."""

    def __init__(self, others: bool) -> None:
        super().__init__(others)
        self.others = others


class _Answer:
    """A response: its head and its buffered body."""

    def __init__(self, middleware: PacedResponseMiddleware, scope: Scope, send: Send, stack: contextlib.ExitStack):
        self._middleware, self._scope, self._send, self._stack = middleware, scope, send, stack
        self._start: Message | None = None
        self._passes = self._whole = False
        self._file: BinaryIO | None = None
        self.size = 0

    async def take(self, message: Message) -> None:
        """Accept an ASGI message of the application."""
        if message["type"] == "http.response.start" and not self._passes:
            self._start = message
            self._passes = Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
            if self._passes:
                self._start = None
                await self._send(message)
        elif self._passes or message["type"] != "http.response.body":
            async with asyncio.timeout(self._middleware._grace_s):
                await self._send(message)
        else:
            await self._keep(message.get("body", b""))
            self._whole = not message.get("more_body", False)

    async def _keep(self, body: bytes) -> None:
        if not body:
            return
        address = self._scope["state"].get("address", "unknown")
        self._middleware.hold(address, len(body))
        self._stack.callback(self._middleware.let_go, address, len(body))
        if self._file is None:
            file = tempfile.SpooledTemporaryFile(max_size=_PIECE)  # noqa: SIM115 - the stack closes it
            self._file = cast(BinaryIO, self._stack.enter_context(file))
        if self.size + len(body) > _PIECE:
            await asyncio.to_thread(self._file.write, body)
        else:
            self._file.write(body)
        self.size += len(body)

    async def send_on(self) -> None:
        """Send the buffered response; if the application did not finish it, the connection is closed early."""
        if self._start is None:
            return
        start, self._start = self._start, None
        await self._send(start)
        left = self.size
        if self._file is not None:
            self._file.seek(0)
            while left > 0:
                piece = self._file.read(_PIECE)
                left -= len(piece)
                last = left <= 0 and self._whole
                await self._send({"type": "http.response.body", "body": piece, "more_body": not last})
        elif self._whole:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
