"""Whose turn it is: mailboxes with a call to make, mailboxes with messages to fetch, and those that wait for a moment.

A mailbox that can do nothing now is in no queue, so an event costs what it changes and not what the shard holds: with
10,000 mailboxes that matters. Pure; actors/shard.py drives it.
"""

from collections import deque

from actors.polling import Schedule


class UniqueFifo:
    """Users in order of arrival, each at most once."""

    def __init__(self) -> None:
        self._users: deque[int] = deque()
        self._within: set[int] = set()

    def add(self, user_id: int) -> None:
        """To the end, unless in line already."""
        if user_id not in self._within:
            self._within.add(user_id)
            self._users.append(user_id)

    def add_first(self, user_id: int) -> None:
        """To the front: their turn was no use and is not over."""
        if user_id not in self._within:
            self._within.add(user_id)
            self._users.appendleft(user_id)

    def next(self) -> int | None:
        """The first, who leaves the line."""
        if not self._users:
            return None
        user_id = self._users.popleft()
        self._within.discard(user_id)
        return user_id

    def __len__(self) -> int:
        return len(self._users)


class ReadyQueue:
    """The lines of a shard."""

    def __init__(self) -> None:
        self.callers, self.fetchers = UniqueFifo(), UniqueFifo()
        self._waits = Schedule()  # for the quota, or for a message that failed
        self._held_up: set[int] = set()  # those of them that wait for the quota

    def add(self, user_id: int) -> None:
        """Something changed for this mailbox: it takes part again."""
        self._held_up.discard(user_id)
        self._waits.clear(user_id)
        self.callers.add(user_id)
        self.fetchers.add(user_id)

    def wait(self, user_id: int, when: float, for_quota: bool) -> None:
        """Take part again at a moment, or when something changes before."""
        due = self._waits.at(user_id)
        if due is None or when < due:
            self._waits.set(user_id, when)
        if for_quota:
            self._held_up.add(user_id)

    def wake(self, now: float) -> None:
        """Bring back those whose moment has come."""
        for user_id in self._waits.take(now):
            self.add(user_id)

    def next_at(self) -> float | None:
        """The next such moment."""
        return self._waits.next_at()

    @property
    def waiting(self) -> int:
        """How many take part, about: some of them turn out to have nothing to do."""
        return max(len(self.callers), len(self.fetchers))

    @property
    def idle(self) -> bool:
        """Nobody can do anything until something comes back or a failed message's wait is over."""
        return not (self.callers or self.fetchers or self._held_up)
