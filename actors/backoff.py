"""How much less is asked of Gmail for a mailbox after calls for it failed. Pure; actors/shard.py asks."""

from actors.decisions import CallFailed, Fetched, Outcome

#: Seconds that the pause between failing calls never exceeds.
_LONGEST_PAUSE_S = 60.0


class ErrorBackoff:
    """Pauses that double while a mailbox's calls fail in a row, up to a minute."""

    def __init__(self, first_pause_s: float) -> None:
        self._first_pause_s = first_pause_s
        self._in_a_row: dict[int, int] = {}

    def pause_s(self, user_id: int, asked_s: float | None) -> float:
        """Another call failed: seconds to leave the mailbox alone, at least as many as Gmail asked for."""
        before = self._in_a_row.get(user_id, 0)
        self._in_a_row[user_id] = before + 1
        return max(asked_s or 0.0, min(self._first_pause_s * 2.0 ** min(before, 10), _LONGEST_PAUSE_S))

    def in_a_row(self, user_id: int) -> int:
        """How many calls failed one after another."""
        return self._in_a_row.get(user_id, 0)

    def over(self, user_id: int) -> None:
        """A call succeeded."""
        self._in_a_row.pop(user_id, None)


class Concurrency:
    """How many fetches of one mailbox may be out: as configured, fewer once Gmail says that it is too many.

    Google publishes no limit of concurrent requests per user, so it is found out: halved on a refusal, and grown again
    by one with every round of fetches that passes (additive increase, multiplicative decrease).
    """

    def __init__(self, most: int) -> None:
        """`most`: fetches at a time, per mailbox, as configured; at least 1."""
        self._most = most
        self._lowered: dict[int, float] = {}

    def limit(self, user_id: int) -> int:
        """Fetches that may be out at a time; at least 1."""
        return int(self._lowered.get(user_id, self._most))

    def on_outcome(self, user_id: int, outcome: Outcome) -> None:
        """What became of a fetch. A mailbox whose fetches stall or fail must not hold all of a shard's places."""
        limited = isinstance(outcome, Fetched) and outcome.pause_s is not None and outcome.pause_scope == "concurrency"
        if isinstance(outcome, CallFailed) or limited:
            self.refused(user_id)
        else:
            self.passed(user_id)

    def refused(self, user_id: int) -> None:
        """Gmail said that too many requests of this user were under way."""
        self._lowered[user_id] = max(self._lowered.get(user_id, self._most) / 2, 1.0)

    def passed(self, user_id: int) -> None:
        """A fetch came back without such a refusal."""
        lowered = self._lowered.pop(user_id, None)
        if lowered is not None and lowered + 1 / lowered < self._most:
            self._lowered[user_id] = lowered + 1 / lowered
