"""How many fetches of one mailbox may be out at a time: as configured, fewer once Gmail says that it is too many.

Google publishes no limit of concurrent requests per user, so it is found out: halved on a refusal, and grown again by
one with every round of fetches that passes (additive increase, multiplicative decrease). Pure; actors/shard.py asks.
"""


class Concurrency:
    """The limits of a shard's mailboxes; only those below the configured one cost anything."""

    def __init__(self, most: int) -> None:
        """`most`: fetches at a time, per mailbox, as configured; at least 1."""
        self._most = most
        self._lowered: dict[int, float] = {}

    def limit(self, user_id: int) -> int:
        """Fetches that may be out at a time; at least 1."""
        return int(self._lowered.get(user_id, self._most))

    def refused(self, user_id: int) -> None:
        """Gmail said that too many requests of this user were under way."""
        self._lowered[user_id] = max(self._lowered.get(user_id, self._most) / 2, 1.0)

    def passed(self, user_id: int) -> None:
        """A fetch came back without such a refusal."""
        lowered = self._lowered.pop(user_id, None)
        if lowered is not None and lowered + 1 / lowered < self._most:
            self._lowered[user_id] = lowered + 1 / lowered
