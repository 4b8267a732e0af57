"""A Gmail whose answers are wrong now and then though their status is 200, in the simulated world.

Seeded by itself, so that a history without deviations is what it was. What an answer says is changed after the model
made it: ids left out, pages that shift, repeat or loop, totals that are wrong, history that lags, omits, repeats, ends
in the future, is denied, or comes in another order, profiles that are wrong, messages not found once, wrong threads. An
answer that cannot be read is a failed call, as jobs/gmail makes of it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from actors.decisions import (
    Call,
    CallFailed,
    Changed,
    Confirm,
    Confirmed,
    Listed,
    ListPage,
    Outcome,
    Pin,
    Pinned,
    ReadHistory,
)

_UNREADABLE = "Gmail's answer cannot be read (an answer was expected, not '{}'): repeat the call."


class Deviations:
    """Decides which answers deviate until `until`, and counts them by kind."""

    def __init__(self, seed: int, rate: float, until: float) -> None:
        """`rate`: share of answers that deviate. `until`: the moment at which they end."""
        self._random, self.rate, self._until = Random(f"deviations {seed}"), rate, until
        self._threads = Random(f"threads {seed}")  # a draw of its own, as for the owners that hang
        self.injected: Counter[str] = Counter()
        self.sick: int | None = None  # the mailbox whose calls stall as well

    def active(self, now: float) -> bool:
        """Whether the next answer may deviate."""
        return self.rate > 0 and now < self._until

    def of_answer(self, call: Call, outcome: Outcome, now: float) -> Outcome:
        """What is answered instead."""
        random = self._random
        if not self.active(now) or isinstance(outcome, CallFailed) or random.random() >= self.rate:
            return outcome
        if isinstance(call, ListPage) and isinstance(outcome, Listed):
            return self._listed(call, outcome)
        if isinstance(call, ReadHistory) and isinstance(outcome, Changed):
            return self._changed(call, outcome)
        if isinstance(call, Pin) and isinstance(outcome, Pinned):
            return self._pinned(outcome)
        if isinstance(call, Confirm) and isinstance(outcome, Confirmed):
            if outcome.history_id is not None and random.random() < 0.2:
                self.injected["profile: old history id"] += 1
                return replace(outcome, history_id=outcome.history_id - 50)
            self.injected["wrong total"] += 1
            return replace(outcome, total=max(outcome.total + random.choice([-3, -1, 1, 30]), 0))
        return self._unreadable()

    def thread(self, thread_id: int, now: float) -> int:
        """The thread that an answer names in place of this one."""
        if not self.active(now) or self._threads.random() >= self.rate:
            return thread_id
        self.injected["wrong thread"] += 1
        return thread_id + self._threads.choice([1, 500_000])

    def stall_s(self, user_id: int, now: float) -> float:
        """Seconds that the answer to a call is late."""
        if user_id != self.sick or not self.active(now) or self._random.random() >= self.rate:
            return 0.0
        self.injected["stall"] += 1
        return 60.0

    def not_found(self, now: float) -> bool:
        """Whether a message that is there is answered with 404."""
        if not self.active(now) or self._random.random() >= self.rate / 2:
            return False
        self.injected["not found"] += 1
        return True

    def _pinned(self, outcome: Pinned) -> Outcome:
        kind = self._random.choice(["total", "future", "past", "no labels", "unreadable"])
        if kind == "unreadable":
            return self._unreadable()
        self.injected[f"profile: {kind}"] += 1
        if kind == "total":
            return replace(outcome, estimate=self._random.choice([0, 1, 10**9]))
        if kind == "future":
            return replace(outcome, history_id=outcome.history_id + self._random.choice([1, 40, 10**15]))
        if kind == "past":
            return replace(outcome, history_id=max(outcome.history_id - self._random.choice([1, 40]), 1))
        return replace(outcome, label_ids=())

    def _unreadable(self) -> CallFailed:
        self.injected["unreadable"] += 1
        return CallFailed(_UNREADABLE)

    def _listed(self, call: ListPage, outcome: Listed) -> Outcome:
        random = self._random
        kind = random.choice(["omit", "shift", "nothing", "loop", "repeat", "reorder", "unreadable", "end"])
        if kind == "unreadable":
            return self._unreadable()
        self.injected[f"listing: {kind}"] += 1
        ids = list(outcome.listed)
        token = outcome.next_page_token
        if kind == "omit":
            ids = [key for key in ids if random.random() < 0.7]
        elif kind == "shift":
            ids = ids[1:]
        elif kind == "nothing":
            ids = []
        elif kind == "loop":
            token = call.page_token or token
        elif kind == "repeat":
            ids += ids[:2]
        elif kind == "reorder":
            random.shuffle(ids)
        else:
            token = None
        unknown = tuple(key for key in outcome.unknown if key in ids)
        return Listed(unknown, token, tuple(ids), outcome.unreadable)

    def _changed(self, call: ReadHistory, outcome: Changed) -> Outcome:
        random = self._random
        kind = random.choice(["lag", "omit", "repeat", "reorder", "loop", "unreadable", "future", "expired", "refused"])
        if kind == "unreadable":
            return self._unreadable()
        self.injected[f"history: {kind}"] += 1
        if kind == "expired":
            return CallFailed("expired", history_expired=True)
        if kind == "refused":
            return CallFailed("no such start", start_refused=call.page_token is None)
        if kind == "future":  # within what is believed without a second source (actors/calls.py)
            return replace(outcome, upto=(outcome.upto or call.start) + random.choice([1, 7, 900]))
        changes: Sequence = list(outcome.changes)  # type: ignore[type-arg]
        if kind == "lag":  # the present history id, and nothing of what led there
            return Changed((), (), outcome.upto, None)
        if kind == "loop":
            return replace(outcome, next_page_token=call.page_token or outcome.next_page_token)
        if kind == "omit":
            changes = [change for change in changes if random.random() < 0.5]
            return replace(outcome, changes=tuple(changes), unknown=outcome.unknown[1:])
        if kind == "repeat":
            return replace(outcome, changes=(*changes, *changes))
        random.shuffle(changes)  # type: ignore[arg-type]
        return replace(outcome, changes=tuple(changes))
