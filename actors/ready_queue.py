"""Queues of mailboxes with a call to make, mailboxes with messages to fetch, and those that wait for a time.

A mailbox without work is in no queue, so an event costs in proportion to its changes, not to the shard's mailboxes:
with 10,000 mailboxes that matters. Pure; actors/shard.py drives it.
"""

from collections import deque

from actors.polling import Schedule


class UniqueFifo:
    """Users in order of arrival, each at most once."""

    def __init__(self) -> None:
        self._users: deque[int] = deque()
        self._within: set[int] = set()

    def add(self, user_id: int) -> None:
        """Add to the end, unless queued already."""
        if user_id not in self._within:
            self._within.add(user_id)
            self._users.append(user_id)

    def add_first(self, user_id: int) -> None:
        """Add to the front: the users could not use their turn."""
        if user_id not in self._within:
            self._within.add(user_id)
            self._users.appendleft(user_id)

    def next(self) -> int | None:
        """Remove and return the first."""
        if not self._users:
            return None
        user_id = self._users.popleft()
        self._within.discard(user_id)
        return user_id

    def __len__(self) -> int:
        return len(self._users)


class ReadyQueue:
    """The queues of a shard."""

    def __init__(self) -> None:
        self.callers, self.fetchers = UniqueFifo(), UniqueFifo()
        self._waits = Schedule()  # for quota, or for the retry of a message
        self._held_up: set[int] = set()  # those that wait for quota

    def add(self, user_id: int) -> None:
        """Queue a mailbox again, after a change."""
        self._held_up.discard(user_id)
        self._waits.clear(user_id)
        self.callers.add(user_id)
        self.fetchers.add(user_id)

    def wait(self, user_id: int, when: float, for_quota: bool) -> None:
        """Queue a mailbox again at a time, or at an earlier change."""
        due = self._waits.at(user_id)
        if due is None or when < due:
            self._waits.set(user_id, when)
        if for_quota:
            self._held_up.add(user_id)

    def wake(self, now: float) -> None:
        """Queue the mailboxes whose time has come."""
        for user_id in self._waits.take(now):
            self.add(user_id)

    def next_at(self) -> float | None:
        """The earliest such time."""
        return self._waits.next_at()

    @property
    def waiting(self) -> int:
        """Approximate number of queued mailboxes: some have no work."""
        return max(len(self.callers), len(self.fetchers))

    @property
    def idle(self) -> bool:
        """Whether no mailbox can work until an outcome arrives or a time comes."""
        return not (self.callers or self.fetchers or self._held_up)
