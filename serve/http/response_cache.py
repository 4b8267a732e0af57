"""Cache of responses by user, version of the mailbox, and query. It never returns a stale response.

The version is read before and after a response is made, and the response is cached only if both are equal, so it is
valid for that version on every replica. The version is read from the reader's own database, so a read position
(serve/http/session_token.py) holds for cached responses, too. Versions derive from Postgres's 32-bit transaction ids,
which cannot wrap around within `_KEPT_S`. Concurrent requests for the same response share one computation. Thread-safe.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Protocol

from cachetools import TTLCache

#: Maximum age of a cached response, in seconds; much shorter than a wraparound of transaction ids.
_KEPT_S = 300.0


#: The user, then what identifies the data of the response.
Key = tuple[int, Hashable, *tuple[Hashable, ...]]


class Versioned(Protocol):
    """A source whose responses depend on its version, such as `storage.reader.MailboxReader`."""

    def version(self) -> str | None: ...


class _Making:
    """A response in progress. Once `done`, `answer` is None if it must not be shared."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: bytes | None = None


class ResponseCache:
    """The response cache of one process. hits: responses that were cached or in progress; misses: all others."""

    def __init__(
        self,
        most_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        counted: Callable[[bool], None] = lambda _hit: None,
    ) -> None:
        """`counted`: called for every response, with True for a hit."""
        self._counted = counted
        self._kept: TTLCache[Hashable, bytes] = TTLCache(most_bytes, ttl=_KEPT_S, timer=clock, getsizeof=len)
        self._makings: dict[Hashable, _Making] = {}
        self._lock = threading.Lock()
        self.hits = self.misses = 0

    def of(self, user_id: int, reader: Versioned, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return the response to a query of a user's mail, from the cache or from `make`. Blocking."""
        version = reader.version()
        if version is None:
            return make()
        key = (user_id, version, question)
        entry = self._get(key)
        if isinstance(entry, bytes):
            self._counted(True)
            return entry
        if entry is not None:
            entry.done.wait()
            with self._lock:
                self.hits += entry.answer is not None
                self.misses += entry.answer is None
            self._counted(entry.answer is not None)
            return make() if entry.answer is None else entry.answer
        self._counted(False)
        making = self._makings[key]
        try:
            answer = make()
            if reader.version() == version:
                making.answer = answer
                self._keep(key, answer)
            return answer
        finally:
            with self._lock:
                del self._makings[key]
            making.done.set()

    def kept(self, key: Key) -> bytes | None:
        """The cached response of a key, which begins with the user and identifies the response's data. Never blocks."""
        with self._lock:
            answer = self._kept.get(key)
            self.hits += answer is not None
        if answer is not None:
            self._counted(True)
        return answer

    def keep(self, key: Key, answer: bytes) -> None:
        """Cache a response that the data in its key determine."""
        self._counted(False)
        with self._lock:
            self.misses += 1
        self._keep(key, answer)

    def _get(self, key: Hashable) -> bytes | _Making | None:
        """The cached response or the one in progress; None: the caller must make it."""
        with self._lock:
            cached = self._kept.get(key)
            if cached is not None:
                self.hits += 1
                return cached
            making = self._makings.get(key)
            if making is None:
                self._makings[key] = _Making()
                self.misses += 1
            return making

    def _keep(self, key: Hashable, answer: bytes) -> None:
        with self._lock:
            if len(answer) <= self._kept.maxsize:
                self._kept[key] = answer
