"""HTTP/1.1 on one connection: requests in, answers out, in order.

A plain asyncio protocol over httptools, because a framework would cost more than the answers. Keep-alive,
pipelining, chunked bodies, "Expect: 100-continue". Bounded: bodies by `BODY_MAX_BYTES`, requests waiting on one
connection by `_QUEUE_MAX`, and nothing is answered while the peer does not read.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, Protocol, cast
from urllib.parse import urlsplit

import httptools

from cluster.simulator.answers import Answer, GoogleError
from cluster.simulator.call import HttpCall

# A message of 150 MB in base64, and its envelope.
BODY_MAX_BYTES = 210 * 1024 * 1024

_HEADERS_MAX_BYTES = 64 * 1024
_QUEUE_MAX = 16
# Below this, copying head and body together is cheaper than a second write.
_JOIN_MAX_BYTES = 256 * 1024
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Flight(NamedTuple):
    """A request that waits for its answer."""

    user: str
    crowded: bool  # its user had too many in flight when it came


class Handler(Protocol):
    """What a connection drives. No call blocks."""

    def delay_s(self, request: HttpCall) -> float:
        """Seconds to wait before the answer."""

    def begin(self, request: HttpCall) -> Flight:
        """A delayed request is in flight until `end`."""

    def end(self, flight: Flight) -> None: ...

    def answer(self, request: HttpCall, crowded: bool = False) -> Answer: ...


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, handler: Handler, open_connections: set["Connection"]) -> None:
        self._handler, self._open = handler, open_connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[tuple[HttpCall, bool]] = deque()
        self._busy = self._write_paused = self._read_paused = False
        self._cancel: Callable[[], None] | None = None
        self._rejected: Answer | None = None
        self._forget()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._open.discard(self)
        self._transport = None
        self._queue.clear()
        if self._cancel is not None:
            self._cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._reject(400, "This server speaks HTTP/1.1 only.")
        except httptools.HttpParserError:
            self._reject(400, "Your client has issued a malformed or illegal request.")
        self._advance()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._advance()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # httptools

    def on_message_begin(self) -> None:
        self._forget()

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._bound_headers(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._bound_headers(len(name) + len(value))
        match name.lower():
            case b"authorization":
                self._authorization = value.decode("latin-1")
            case b"content-type":
                self._content_type = value.decode("latin-1")
            case b"content-range":
                self._content_range = value.decode("latin-1")
            case b"x-upload-content-length":
                self._upload_length = value.decode("latin-1")
            case b"expect" if value.lower() == b"100-continue":
                self._expects = True
            case b"content-length" if value.isdigit() and int(value) > BODY_MAX_BYTES:
                self._reject(413, "Request body is too large.")

    def on_headers_complete(self) -> None:
        if self._expects and self._transport is not None and self._rejected is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size > BODY_MAX_BYTES:
            self._reject(413, "Request body is too large.")
        if self._rejected is None:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._rejected is not None:
            return
        target = self._target.decode("latin-1")
        if not target.startswith("/"):
            parts = urlsplit(target)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        method = self._parser.get_method().decode("ascii")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        upload = self._content_range, self._upload_length
        call = HttpCall(method, target, self._authorization, self._content_type, body, *upload)
        self._queue.append((call, self._parser.should_keep_alive()))
        self._forget()
        if len(self._queue) >= _QUEUE_MAX and self._transport is not None and not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    # Answering

    def _advance(self) -> None:
        """Answer what waits, in order, until something has to be waited for."""
        while self._queue and not self._busy and not self._write_paused and self._transport is not None:
            call, keep_alive = self._queue.popleft()
            delay_s = self._handler.delay_s(call)
            if delay_s > 0:
                self._wait(call, keep_alive, delay_s)
            else:
                self._write(self._handler.answer(call), keep_alive)
        if self._transport is None:
            return
        if self._read_paused and len(self._queue) < _QUEUE_MAX // 2:
            self._read_paused = False
            self._transport.resume_reading()
        if self._rejected is not None and not self._queue and not self._busy:
            self._write(self._rejected, keep_alive=False)

    def _wait(self, call: HttpCall, keep_alive: bool, delay_s: float) -> None:
        self._busy = True
        flight = self._handler.begin(call)

        def finish() -> None:
            self._cancel = None
            try:
                answer = self._handler.answer(call, flight.crowded)
            except BaseException:
                self.close()
                raise
            finally:
                self._handler.end(flight)
            self._busy = False
            self._write(answer, keep_alive)
            self._advance()

        timer = self._loop.call_later(delay_s, finish)

        def cancel() -> None:
            timer.cancel()
            self._handler.end(flight)

        self._cancel = cancel

    def _write(self, answer: Answer, keep_alive: bool) -> None:
        if self._transport is None:
            return
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
        if not keep_alive:
            extra += "Connection: close\r\n"
        kind = f"Content-Type: {answer.content_type}\r\n" if answer.status != 204 else ""
        length = f"Content-Length: {len(answer.body)}\r\n" if answer.status != 204 else ""
        reason = _REASONS.get(answer.status, "")
        head = f"HTTP/1.1 {answer.status} {reason}\r\n{kind}{length}{extra}\r\n".encode("latin-1")
        if answer.broken:
            half = b"" if answer.broken == "lost" else head + answer.body[: len(answer.body) // 2]
            self._break(half, answer.broken)
        elif len(answer.body) <= _JOIN_MAX_BYTES:
            self._transport.write(head + answer.body)
        else:
            self._transport.write(head)
            self._transport.write(answer.body)
        if not keep_alive and self._transport is not None:
            self._transport.close()
            self._transport = None

    def _break(self, half: bytes, how: str) -> None:
        assert self._transport is not None
        self._transport.write(half)
        if how in ("cut", "lost"):
            self._transport.close()
            self._transport = None
        else:
            # Stalled: nothing more is ever answered here; the client has to give up.
            self._busy = True

    def _reject(self, status: int, message: str) -> None:
        """End the connection with an error once what came before is answered."""
        if self._rejected is None:
            self._rejected = GoogleError(status, "badRequest", message).answer()
            self._body.clear()

    def _bound_headers(self, size_bytes: int) -> None:
        self._headers_size += size_bytes
        if self._headers_size > _HEADERS_MAX_BYTES:
            self._reject(400, "Request headers are too large.")

    def _forget(self) -> None:
        self._target = b""
        self._authorization = self._content_type = self._content_range = self._upload_length = ""
        self._expects = False
        self._body: list[bytes] = []
        self._body_size = self._headers_size = 0
