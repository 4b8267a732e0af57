"""Chance misbehaviour, seeded. No clock, no I/O.

A fault is either of a call (an error answer, also inside a batch) or of a connection (cut, stalled, or closed without a
byte, once per HTTP request: by then the call has been made). Both are drawn, so that together about `rate` of single
calls fail.
"""

from collections import Counter
from random import Random
from typing import Literal

from cluster.simulator.answers import GoogleError
from cluster.simulator.config import FaultKind

Broken = Literal["cut", "stall", "lost"]

_ERRORS: dict[FaultKind, tuple[int, str, str]] = {
    "429": (429, "rateLimitExceeded", "Too many concurrent requests for user."),
    "403-rateLimitExceeded": (403, "rateLimitExceeded", "Rate Limit Exceeded"),
    "403-userRateLimitExceeded": (403, "userRateLimitExceeded", "User Rate Limit Exceeded"),
    "403-quotaExceeded": (403, "quotaExceeded", "Quota exceeded for quota metric 'Queries'"),
    "400-failedPrecondition": (400, "failedPrecondition", "Precondition check failed."),
    "500": (500, "backendError", "Internal error encountered."),
    "503": (503, "backendError", "The service is currently unavailable."),
}


class Faults:
    """Decides which calls fail and how; counts the failures."""

    def __init__(self, rate: float, kinds: tuple[FaultKind, ...], seed: int) -> None:
        self.injected: Counter[str] = Counter()
        self._random = Random(seed)  # noqa: S311  # repeatable, not secret
        self.set(rate, kinds)

    def set(self, rate: float, kinds: tuple[FaultKind, ...]) -> None:
        self.rate, self.kinds = rate, kinds
        self._errors = [kind for kind in kinds if kind in _ERRORS]
        self._breaks: list[Broken] = [k for k in kinds if k == "cut" or k == "stall" or k == "lost"]
        self._error_rate = rate * len(self._errors) / len(kinds)
        self._break_rate = rate * len(self._breaks) / len(kinds)

    def of_call(self) -> GoogleError | None:
        """The error this call ends in, if it is its turn."""
        if self._error_rate == 0 or self._random.random() >= self._error_rate:
            return None
        kind = self._random.choice(self._errors)
        self.injected[kind] += 1
        return GoogleError(*_ERRORS[kind])

    def of_connection(self) -> Broken | Literal[""]:
        """How this HTTP answer breaks off, if it is its turn."""
        if self._break_rate == 0 or self._random.random() >= self._break_rate:
            return ""
        kind = self._random.choice(self._breaks)
        self.injected[kind] += 1
        return kind
