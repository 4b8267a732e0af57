"""A Gmail whose answers are wrong now and then though their status is 200, in the simulated world.

Seeded by itself, so that a history without deviations is what it was. What an answer says is changed after the model
made it: ids left out, pages that shift, repeat or loop, totals that are wrong, history that lags, omits, repeats or
comes in another order, messages not found once. An answer that cannot be read is a failed call, as
jobs/gmail makes of it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from actors.decisions import Call, CallFailed, Changed, Confirm, Confirmed, Listed, ListPage, Outcome, ReadHistory

_UNREADABLE = "Gmail's answer cannot be read (an answer was expected, not '{}'): repeat the call."


class Deviations:
    """Decides which answers deviate until `until`, and counts them by kind."""

    def __init__(self, seed: int, rate: float, until: float) -> None:
        """`rate`: share of answers that deviate. `until`: the moment at which they end."""
        self._random, self.rate, self._until = Random(f"deviations {seed}"), rate, until
        self.injected: Counter[str] = Counter()

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
        if isinstance(call, Confirm) and isinstance(outcome, Confirmed):
            self.injected["wrong total"] += 1
            return replace(outcome, total=max(outcome.total + random.choice([-3, -1, 1, 30]), 0))
        return self._unreadable()

    def not_found(self, now: float) -> bool:
        """Whether a message that is there is answered with 404."""
        if not self.active(now) or self._random.random() >= self.rate / 2:
            return False
        self.injected["not found"] += 1
        return True

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
        kind = random.choice(["lag", "omit", "repeat", "reorder", "loop", "unreadable"])
        if kind == "unreadable":
            return self._unreadable()
        self.injected[f"history: {kind}"] += 1
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
