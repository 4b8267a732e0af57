"""Backoff and concurrency of a mailbox whose calls fail. Pure; actors/shard.py uses it."""

from actors.decisions import CallFailed, Fetched, Outcome

#: Maximum pause between failing calls, in seconds.
_LONGEST_PAUSE_S = 60.0


class ErrorBackoff:
    """Pauses that double while a mailbox's calls fail in a row, up to a minute."""

    def __init__(self, first_pause_s: float) -> None:
        self._first_pause_s = first_pause_s
        self._in_a_row: dict[int, int] = {}

    def pause_s(self, user_id: int, asked_s: float | None) -> float:
        """Record a failed call; return the seconds to pause the mailbox, at least as many as Gmail requested."""
        before = self._in_a_row.get(user_id, 0)
        self._in_a_row[user_id] = before + 1
        return max(asked_s or 0.0, min(self._first_pause_s * 2.0 ** min(before, 10), _LONGEST_PAUSE_S))

    def in_a_row(self, user_id: int) -> int:
        """Number of consecutive failed calls."""
        return self._in_a_row.get(user_id, 0)

    def over(self, user_id: int) -> None:
        """A call succeeded."""
        self._in_a_row.pop(user_id, None)


class Concurrency:
    """Maximum number of concurrent fetches of one mailbox: as configured, fewer after Gmail refused for concurrency.

    Google publishes no limit of concurrent requests per user, so it is probed: halved on a refusal, and
    increased by one with every round of successful fetches (additive increase, multiplicative decrease).
    """

    def __init__(self, most: int) -> None:
        """`most`: fetches at a time, per mailbox, as configured; at least 1."""
        self._most = most
        self._lowered: dict[int, float] = {}

    def limit(self, user_id: int) -> int:
        """Maximum number of concurrent fetches; at least 1."""
        return int(self._lowered.get(user_id, self._most))

    def on_outcome(self, user_id: int, outcome: Outcome) -> None:
        """Record the outcome of a fetch. A mailbox whose fetches stall must not occupy all places of a shard."""
        limited = isinstance(outcome, Fetched) and outcome.pause_s is not None and outcome.pause_scope == "concurrency"
        if isinstance(outcome, CallFailed) or limited:
            self.refused(user_id)
        else:
            self.passed(user_id)

    def refused(self, user_id: int) -> None:
        """Gmail refused because this user had too many concurrent requests."""
        self._lowered[user_id] = max(self._lowered.get(user_id, self._most) / 2, 1.0)

    def passed(self, user_id: int) -> None:
        """A fetch ended without such a refusal."""
        lowered = self._lowered.pop(user_id, None)
        if lowered is not None and lowered + 1 / lowered < self._most:
            self._lowered[user_id] = lowered + 1 / lowered
