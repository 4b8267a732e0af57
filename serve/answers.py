"""Answers kept by what they were made from: the user, the version of the mailbox, the question. None is ever stale.

The version is read before an answer is made and again afterwards; only an answer that lies between two equal ones is
kept, so it is what that version says, whichever replica made it, and whoever reads the version later may have it. It is
read where the reader reads, so a position (serve/positions.py) holds for a kept answer, too. Versions are of Postgres's
32-bit transactions; none comes back within the seconds that an answer is kept. Safe for threads.
"""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol

#: Seconds that an answer is kept at most: far fewer than it takes to use up all transaction ids.
_KEPT_S = 300.0


class Versioned(Protocol):
    """Something whose answers change with its version. `storage.reader.MailboxReader` is one."""

    def version(self) -> str | None: ...


class Answers:
    """The answers of one process. Who asks for one that is being made waits for it."""

    def __init__(
        self,
        most_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        counted: Callable[[bool], None] = lambda _kept: None,
    ) -> None:
        """`counted`: hears of every question whether its answer was kept."""
        self._most_bytes, self._clock, self._counted = most_bytes, clock, counted
        self._kept: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._waiting: Counter[Hashable] = Counter()
        self.hits = self.misses = 0

    def of(self, user_id: int, reader: Versioned, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """The answer to a question about a user's mail, made if need be. Blocking."""
        version = reader.version()
        if version is None:
            return make()
        key = (user_id, version, question)
        with self._alone(key):
            kept = self._get(key)
            self._counted(kept is not None)
            if kept is not None:
                return kept
            answer = make()
            if reader.version() == version:
                self._keep(key, answer)
            return answer

    @contextmanager
    def _alone(self, key: Hashable) -> Iterator[None]:
        with self._lock:
            lock = self._making.setdefault(key, threading.Lock())
            self._waiting[key] += 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._waiting[key] -= 1
                if not self._waiting[key]:
                    del self._waiting[key], self._making[key]

    def _get(self, key: Hashable) -> bytes | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None and self._clock() - found[0] < _KEPT_S:
                self._kept.move_to_end(key)
                self.hits += 1
                return found[1]
            self.misses += 1
            return None

    def _keep(self, key: Hashable, answer: bytes) -> None:
        with self._lock:
            if (former := self._kept.pop(key, None)) is not None:
                self._bytes -= len(former[1])
            self._kept[key] = self._clock(), answer
            self._bytes += len(answer)
            while self._bytes > self._most_bytes:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._bytes -= len(oldest)
