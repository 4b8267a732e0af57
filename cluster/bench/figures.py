"""Arithmetic of the benchmarks: rates, the quota ceiling, fair turns. Pure.

Times are seconds on one clock with an arbitrary origin.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Working:
    """The working time of one mailbox: from its sync request to its last message.

    idle_s: the longest time between two of its fetches, or before the first.
    units: quota units charged.
    """

    start_s: float
    end_s: float
    idle_s: float
    units: int

    @property
    def seconds(self) -> float:
        """Duration of the work."""
        return max(self.end_s - self.start_s, 0.0)


def per_message_ms(cpu_s: Mapping[str, float], messages: int) -> dict[str, float]:
    """Milliseconds of CPU per message, by the same names; 0 messages count as one."""
    return {name: round(1000 * used / max(messages, 1), 4) for name, used in cpu_s.items()}


def share(part: float, whole: float) -> float:
    """`part / whole`; 0 if `whole` is 0."""
    return round(part / whole, 4) if whole else 0.0


def ceiling_units(working: Iterable[Working], per_user: float | None, per_project: float | None) -> float:
    """Units that the quota allowed while work remained.

    A mailbox with work may spend its limit per user; all mailboxes together at most the project limit.

    Args:
        per_user, per_project: units per second; None: no limit.
    """
    if per_user is None and per_project is None:
        return 0.0
    edges = sorted(edge for span in working if span.seconds > 0 for edge in ((span.start_s, 1), (span.end_s, -1)))
    allowed, active, before = 0.0, 0, 0.0
    for moment, step in edges:
        limits = [limit for limit in (_times(per_user, active), per_project) if limit is not None]
        allowed += (moment - before) * min(limits) if active else 0.0
        active, before = active + step, moment
    return allowed


def users_units(working: Iterable[Working], per_user: float | None) -> float:
    """Units that the limits per user allowed while mailboxes had work."""
    return sum(span.seconds for span in working) * (per_user or 0.0)


def busy_seconds(working: Sequence[Working]) -> float:
    """Time from the first request to the last message."""
    if not working:
        return 0.0
    return max(span.end_s for span in working) - min(span.start_s for span in working)


def fair_turn_s(working: Iterable[Working], turns: int) -> float:
    """Seconds between two turns of a mailbox if all had taken turns evenly.

    The number of mailboxes working at a time, multiplied by the duration of a turn. A turn is one fetch.
    """
    return sum(span.seconds for span in working) / turns if turns else 0.0


def longest_idle_s(working: Iterable[Working]) -> float:
    """The longest wait of a mailbox with work."""
    return max((span.idle_s for span in working), default=0.0)


def _times(limit: float | None, count: int) -> float | None:
    return None if limit is None else limit * count
