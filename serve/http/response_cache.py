"""Answers kept by what they were made from: the user, the version of the mailbox, the question. None is ever stale.

The version is read before an answer is made and again afterwards; only an answer that lies between two equal ones is
kept, so it is what that version says, whichever replica made it, and whoever reads the version later may have it. It is
read where the reader reads, so a position (serve/http/session_token.py) holds for a kept answer, too. Versions are of
Postgres's 32-bit transactions; none comes back within the seconds that an answer is kept. Who asks what is just being
made waits for it, and takes it on the same terms. Safe for threads.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Protocol

from cachetools import TTLCache

#: Seconds that an answer is kept at most: far fewer than it takes to use up all transaction ids.
_KEPT_S = 300.0


class Versioned(Protocol):
    """Something whose answers change with its version. `storage.reader.MailboxReader` is one."""

    def version(self) -> str | None: ...


class _Making:
    """An answer that somebody is making; once `done`, None if it is not to be shared."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: bytes | None = None


class ResponseCache:
    """The answers of one process. hits: those that were there or in the making; misses: the others."""

    def __init__(
        self,
        most_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        counted: Callable[[bool], None] = lambda _hit: None,
    ) -> None:
        """`counted`: hears of every question whether it was a hit."""
        self._counted = counted
        self._kept: TTLCache[Hashable, bytes] = TTLCache(most_bytes, ttl=_KEPT_S, timer=clock, getsizeof=len)
        self._makings: dict[Hashable, _Making] = {}
        self._lock = threading.Lock()
        self.hits = self.misses = 0

    def of(self, user_id: int, reader: Versioned, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """The answer to a question about a user's mail, made if need be. Blocking."""
        version = reader.version()
        if version is None:
            return make()
        key = (user_id, version, question)
        found = self._get(key)
        if isinstance(found, bytes):
            self._counted(True)
            return found
        if found is not None:
            found.done.wait()
            with self._lock:
                self.hits += found.answer is not None
                self.misses += found.answer is None
            self._counted(found.answer is not None)
            return make() if found.answer is None else found.answer
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

    def _get(self, key: Hashable) -> bytes | _Making | None:
        """What there is; None: nothing, and the caller is to make it."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self.hits += 1
                return found
            making = self._makings.get(key)
            if making is None:
                self._makings[key] = _Making()
                self.misses += 1
            return making

    def _keep(self, key: Hashable, answer: bytes) -> None:
        with self._lock:
            if len(answer) <= self._kept.maxsize:
                self._kept[key] = answer
