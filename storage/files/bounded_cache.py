"""A cache whose values together have a bounded size; the value that was used longest ago is evicted first."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values by key. Thread-safe; never blocks."""

    def __init__(self, most: int, size_of: Callable[[V], int]) -> None:
        """`most`: of all values' sizes, in the unit of `size_of`; a value that is larger alone is not cached."""
        self._kept: LRUCache[K, V] = LRUCache(most, getsizeof=size_of)
        self._size_of, self._lock = size_of, threading.Lock()

    def get(self, key: K) -> V | None:
        """The value of a key, which counts as used now; None: it is not cached."""
        with self._lock:
            return self._kept.get(key)

    def keep(self, key: K, value: V) -> None:
        """Cache a value unless it is too large."""
        if self._size_of(value) <= self._kept.maxsize:
            with self._lock:
                self._kept[key] = value

    def cached(self) -> list[K]:
        """The keys that are cached."""
        with self._lock:
            return list(self._kept)

    @property
    def size(self) -> int:
        """The size of all values that are cached."""
        with self._lock:
            return int(self._kept.currsize)
