"""Cache of the database of every shard, refreshed every `BELIEVED_S` seconds.

A move keeps the new place closed for longer than that (storage/moving/move.py), so no reader uses an old copy.
"""

import time
from collections.abc import Callable

Read = Callable[[int | None], dict[int, int]]
#: Maximum age of the map, in seconds.
BELIEVED_S = 2.0


class ShardMap:
    """Shard id -> index of its database. Thread-safe: the last of several concurrent refreshes wins."""

    def __init__(
        self, read: Callable[[int | None], dict[int, int]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`read`: reads the control database; its argument is a shard id, or None for all shards."""
        self._read, self._clock = read, clock
        self._map: dict[int, int] = {}
        self._read_at = -BELIEVED_S

    @property
    def known(self) -> dict[int, int]:
        """The last map read, of any age."""
        return self._map

    def fresh(self) -> dict[int, int] | None:
        """The map if `current` would not read it again; else None. Never blocks."""
        return self._map if self._clock() - self._read_at < BELIEVED_S else None

    def current(self, shard_id: int | None = None) -> dict[int, int]:
        """The map, at most BELIEVED_S old; read again if it lacks `shard_id`.

        Raises:
            DatabaseUnreachable: from `read`.
        """
        now = self._clock()
        if now - self._read_at >= BELIEVED_S or (shard_id is not None and shard_id not in self._map):
            # `now` is taken before the read, which may be slow.
            self._map, self._read_at = self._read(shard_id), now
        return self._map
