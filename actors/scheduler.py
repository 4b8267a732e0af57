"""When each mailbox of a shard has its next work: retries of filed messages, polls, renewals of pushes.

Pure; the clock is an argument. actors/shard.py asks it.
"""

from datetime import datetime
from random import Random

from actors.config import PollConfig
from actors.polling import Polls, Schedule


class Scheduler:
    """The times of the mailboxes' next work."""

    def __init__(self, config: PollConfig, shard_id: int, reconcile_every_s: float = 518_400.0) -> None:
        self._config, self._reconcile_every_s = config, reconcile_every_s
        self._reconciles = Schedule()  # when a mailbox is reconciled with Gmail
        self._retries = Schedule()  # when a mailbox's filed messages are due
        self._polls = Polls(config, shard_id)
        self._watches = Schedule()  # when Gmail's pushes are renewed
        self._random = Random(shard_id)  # noqa: S311 - spreads load, keeps no secret

    def opened(self, user_id: int, now: float) -> None:
        """Poll a mailbox from now on; the first renewals of many mailboxes are spread."""
        self._polls.open(user_id, now)
        self.watch_at(user_id, now + self._random.uniform(0, self._config.longest_s))

    def closed(self, user_id: int) -> None:
        """Stop a mailbox's polls and renewals; filed messages are still retried."""
        self._polls.close(user_id)
        self._watches.clear(user_id)

    def looked(self, user_id: int, found_changes: bool, now: float) -> None:
        """Record the end of a poll."""
        self._polls.looked(user_id, found_changes, now)
        if self._watches.at(user_id) is None:
            self.watch_at(user_id, now)

    def retry_at(self, user_id: int, when: float | None) -> None:
        """Set when filed messages are due; None: there are none."""
        if when is not None:
            self._retries.set(user_id, when)

    def watch_at(self, user_id: int, when: float) -> None:
        """Set when the mailbox's pushes are renewed, if pushes are configured."""
        if self._config.topic:
            self._watches.set(user_id, when)

    def reconcile_at(self, user_id: int, last: datetime | None, now: float) -> None:
        """Record a reconciliation or listing at a time (None: now); the next is some days later, spread."""
        if self._config.enabled:
            since = now if last is None else last.timestamp()
            pause = self._reconcile_every_s * (1 - self._random.uniform(0, self._config.jitter))
            self._reconciles.set(user_id, since + pause)

    def reconciles(self, now: float) -> list[int]:
        """Mailboxes to reconcile with Gmail now; each is returned once."""
        return list(self._reconciles.take(now))

    def retries(self, now: float) -> list[int]:
        """Mailboxes with filed messages that are due; each is returned once."""
        return list(self._retries.take(now))

    def polls(self, now: float) -> list[int]:
        """Mailboxes to poll now; each is returned once."""
        return list(self._polls.take(now))

    def watches(self, now: float) -> list[int]:
        """Mailboxes whose pushes are due for renewal; each is returned once."""
        return list(self._watches.take(now))

    def next_at(self, now: float) -> float | None:
        """The earliest future time of any work; work that is due already is ignored."""
        times = (self._retries.next_at(), self._polls.next_at(), self._watches.next_at(), self._reconciles.next_at())
        return min((when for when in times if when is not None and when > now), default=None)
