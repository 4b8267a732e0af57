"""When each mailbox is polled next. Pure; randomness comes from a seed, the clock is an argument.

One heap serves all mailboxes of a shard: a waiting mailbox costs one entry, and neither a timer nor a task.
"""

import heapq
from random import Random

from actors.config import PollConfig


class Schedule:
    """One time per user; setting a time replaces the previous one."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._due: dict[int, float] = {}

    def set(self, user_id: int, when: float) -> None:
        """Set a user's time, replacing the previous one."""
        if self._due.get(user_id) != when:
            self._due[user_id] = when
            heapq.heappush(self._heap, (when, user_id))

    def clear(self, user_id: int) -> None:
        """Remove a user's time."""
        self._due.pop(user_id, None)

    def take(self, now: float) -> list[int]:
        """Remove and return the users whose time has come."""
        taken = []
        while (when := self.next_at()) is not None and when <= now:
            user_id = heapq.heappop(self._heap)[1]
            del self._due[user_id]
            taken.append(user_id)
        return taken

    def next_at(self) -> float | None:
        """The earliest time."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def at(self, user_id: int) -> float | None:
        """A user's time."""
        return self._due.get(user_id)


class Polls:
    """Pauses between polls: the shortest after changes, growing without changes, up to the longest."""

    def __init__(self, config: PollConfig, seed: int) -> None:
        self._config, self._random = config, Random(seed)  # noqa: S311 - spreads load, keeps no secret
        self._schedule = Schedule()
        self._pauses: dict[int, float] = {}

    def open(self, user_id: int, now: float) -> None:
        """Add a mailbox. First polls are spread, so that a starting shard does not poll all mailboxes at once."""
        if self._config.enabled and self._schedule.at(user_id) is None:
            self._schedule.set(user_id, now + self._random.uniform(0, 2 * self._config.shortest_s))

    def looked(self, user_id: int, found_changes: bool, now: float) -> None:
        """Record the end of a poll."""
        if not self._config.enabled:
            return
        config = self._config
        before = self._pauses.get(user_id)
        pause = config.shortest_s if found_changes or before is None else min(before * config.growth, config.longest_s)
        self._pauses[user_id] = pause
        self._schedule.set(user_id, now + pause * (1 + self._random.uniform(-config.jitter, config.jitter)))

    def close(self, user_id: int) -> None:
        """Stop polling a mailbox."""
        self._schedule.clear(user_id)
        self._pauses.pop(user_id, None)

    def take(self, now: float) -> list[int]:
        """Remove and return the mailboxes to poll now."""
        return self._schedule.take(now)

    def next_at(self) -> float | None:
        """The time of the next poll."""
        return self._schedule.next_at()
