"""Sends calls over pooled keep-alive connections, several at a time, and hands back what was answered.

It never raises for one call, never waits between calls, never repeats one: what went wrong travels in the
answer. (libcurl itself reopens a pooled connection that turns out closed before anything was received, and sends the
request again: a call that must not be made twice has a connection of its own, `Call.once`.)
Threads may share it: each exchange borrows a connection cache of its own. Why libcurl: see `fetch.py`.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import certifi
import pycurl

from jobs.gmail.api import Call
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import AnswerTooLarge, GmailError, GmailUnavailable, TokenRejected

T = TypeVar("T")

_POLL_S = 1.0
_NOTHING_TO_WAIT_ON_S = 0.005
_RECEIVE_BUFFER_BYTES = 512 * 1024
_HEADERS_LIMIT = 200
_NEVER_CONNECTED = frozenset(
    {
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one call.

    `fault` is set when the answer is not whole; status, headers and body are then what had arrived.
    `sent` is False only when the request reached no server, so nothing was charged.
    """

    status: int
    headers: dict[str, str]
    body: bytes | bytearray
    fault: GmailError | None
    sent: bool


class Transport:
    """Connections to one endpoint. They open on first use and stay open until `close`."""

    def __init__(self, config: GmailConfig) -> None:
        self._config = config
        self._idle: deque[_Lane] = deque()

    def exchange(
        self, calls: Iterator[tuple[T, Call]], token: str, connections: int | None = None
    ) -> Iterator[tuple[T, Answer]]:
        """Answers in the order in which they complete, each with what `calls` paired its call with.

        A next call is taken only when a connection is free for it, so a caller that has seen enough stops
        the exchange by ending `calls`. Abandoning the iterator drops what is under way.

        Raises:
            TokenRejected: the token is no printable text, so it would not stay in its header.
        """
        if not token.isascii() or not token.isprintable():
            raise TokenRejected("it is not printable ASCII text")
        try:
            lane = self._idle.pop()
        except IndexError:
            lane = _Lane(self._config)
        try:
            yield from lane.exchange(calls, token, connections or self._config.connections)
        finally:
            lane.abandon()
            self._idle.append(lane)

    def send(self, call: Call, token: str) -> Answer:
        """The answer to one call."""
        ((_, answer),) = self.exchange(iter([(None, call)]), token, 1)
        return answer

    def close(self) -> None:
        """Close the idle connections. Exchanges under way are not touched."""
        while self._idle:
            self._idle.pop().close()


class _Lane:
    """One libcurl multi handle, its connection cache and its transfers; one exchange at a time."""

    def __init__(self, config: GmailConfig) -> None:
        self._config = config
        self._multi = pycurl.CurlMulti()
        self._spare: list[_Transfer] = []
        self._running: set[_Transfer] = set()

    def exchange(self, calls: Iterator[tuple[T, Call]], token: str, connections: int) -> Iterator[tuple[T, Answer]]:
        tags: dict[_Transfer, T] = {}
        exhausted = False
        while True:
            while not exhausted and len(self._running) < connections:
                following = next(calls, None)
                if following is None:
                    exhausted = True
                    break
                transfer = self._spare.pop() if self._spare else _Transfer(self._config)
                transfer.start(following[1], token)
                tags[transfer] = following[0]
                self._multi.add_handle(transfer.easy)
                self._running.add(transfer)
            if not self._running:
                return
            for transfer, answer in self._completed():
                yield tags.pop(transfer), answer

    def _completed(self) -> list[tuple["_Transfer", Answer]]:
        """At least one finished transfer, unless nothing happened for a moment."""
        self._multi.perform()
        _, succeeded, failed = self._multi.info_read()
        if not succeeded and not failed:
            # -1: libcurl has nothing to wait on just now (it is resolving, or its files are beyond select's 1,024).
            if self._multi.select(_POLL_S) < 0:
                time.sleep(_NOTHING_TO_WAIT_ON_S)
            return []
        finished = [(easy, 0, "") for easy in succeeded] + failed
        found = []
        for easy, code, text in finished:
            transfer: _Transfer = easy.transfer
            found.append((transfer, transfer.answer(code, text)))
            self._retire(transfer)
        return found

    def _retire(self, transfer: "_Transfer") -> None:
        self._multi.remove_handle(transfer.easy)
        self._running.discard(transfer)
        self._spare.append(transfer)

    def abandon(self) -> None:
        for transfer in list(self._running):
            self._retire(transfer)

    def close(self) -> None:
        self.abandon()
        for transfer in self._spare:
            transfer.easy.close()
        self._multi.close()


class _Transfer:
    """One libcurl easy handle, used for one call after another."""

    def __init__(self, config: GmailConfig) -> None:
        self._limit_bytes = config.response_limit_bytes
        self._body = bytearray()
        self._headers: dict[str, str] = {}
        self._overflowed = False
        self.easy: Any = pycurl.Curl()
        self.easy.transfer = self
        options = {
            pycurl.NOSIGNAL: 1,
            pycurl.FOLLOWLOCATION: 0,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.CAINFO: certifi.where(),
            pycurl.SSL_VERIFYPEER: 1,
            pycurl.SSL_VERIFYHOST: 2,
            pycurl.PROXY: config.proxy,
            pycurl.CONNECTTIMEOUT_MS: _ms(config.connect_timeout_s),
            pycurl.TIMEOUT_MS: _ms(config.total_timeout_s),
            pycurl.LOW_SPEED_LIMIT: 1,
            pycurl.LOW_SPEED_TIME: max(1, round(config.stall_timeout_s)),
            pycurl.ACCEPT_ENCODING: "gzip, deflate",  # read what comes so; it is not asked for, see `start`
            pycurl.BUFFERSIZE: _RECEIVE_BUFFER_BYTES,
            pycurl.WRITEFUNCTION: self._receive,
            pycurl.HEADERFUNCTION: self._receive_header,
        }
        for option, value in options.items():
            self.easy.setopt(option, value)

    def start(self, call: Call, token: str) -> None:
        self._body, self._headers, self._overflowed = bytearray(), {}, False
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Accept": "application/json", "Accept-Encoding": "identity", "Expect": "", **call.headers}
        self.easy.setopt(pycurl.URL, call.url)
        if call.body is None:
            self.easy.setopt(pycurl.HTTPGET, 1)
        else:
            self.easy.setopt(pycurl.POST, 1)
            self.easy.setopt(pycurl.POSTFIELDS, call.body)
        self.easy.setopt(pycurl.CUSTOMREQUEST, call.method)
        self.easy.setopt(pycurl.FRESH_CONNECT, int(call.once))
        self.easy.setopt(pycurl.FORBID_REUSE, int(call.once))
        self.easy.setopt(
            pycurl.HTTPHEADER, [f"{name}: {value}" if value else f"{name}:" for name, value in headers.items()]
        )

    def answer(self, code: int, text: str) -> Answer:
        fault: GmailError | None = None
        if self._overflowed:
            fault = AnswerTooLarge(self._limit_bytes)
        elif code != 0:
            fault = GmailUnavailable(f"{text or 'transfer failed'} (libcurl {code})")
        status = self.easy.getinfo(pycurl.RESPONSE_CODE)
        # The size alone is not enough: it counts what was written to a kept connection that turned out dead.
        sent = self.easy.getinfo(pycurl.REQUEST_SIZE) > 0 and code not in _NEVER_CONNECTED
        answer = Answer(status, self._headers, self._body, fault, sent)
        self._body = bytearray()  # an idle transfer keeps no mail
        return answer

    def _receive(self, chunk: bytes) -> int | None:
        if len(self._body) + len(chunk) > self._limit_bytes:
            self._overflowed = True
            return 0
        self._body += chunk
        return None

    def _receive_header(self, line: bytes) -> int | None:
        if line.startswith(b"HTTP/"):
            self._headers = {}
        name, colon, value = line.decode("latin-1").partition(":")
        if colon and len(self._headers) < _HEADERS_LIMIT:
            self._headers[name.strip().lower()] = value.strip()
        return None


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
