"""W3C trace context: which trace a request belongs to, so that logs of several programs can be read together.

Source: w3.org/TR/trace-context (read 2026-11). An invalid `traceparent` is replaced, as it says. Nothing is sampled or
exported here; ids are passed on, told in the answer and written into the access log.
"""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

HEADER, STATE = "traceparent", "tracestate"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE_MOST = 512

_current: ContextVar["Span | None"] = ContextVar("span", default=None)


@dataclass(frozen=True, slots=True)
class Span:
    """One request's place in its trace."""

    trace_id: str
    span_id: str
    flags: str
    state: str = ""

    @property
    def traceparent(self) -> str:
        """As the header spells it, for what this request calls and for its answer."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def begin(traceparent: str | None, tracestate: str | None) -> Span:
    """A span of our own in the caller's trace, or in a new one."""
    found = _FORM.fullmatch(traceparent) if traceparent is not None else None
    if found is None or not _is_valid(found[1], found[2], found[3], found[5]):
        return Span(secrets.token_hex(16), secrets.token_hex(8), "00")
    state = tracestate if tracestate is not None and len(tracestate) <= _STATE_MOST else ""
    return Span(found[2], secrets.token_hex(8), f"{int(found[4], 16) & 1:02x}", state)


def current() -> Span | None:
    """The present request's."""
    return _current.get()


def enter(span: Span) -> None:
    """Have it be the present one, in this task and what it starts."""
    _current.set(span)


def _is_valid(version: str, trace_id: str, parent_id: str, more: str | None) -> bool:
    if version == "ff" or not trace_id.strip("0") or not parent_id.strip("0"):
        return False
    return version != "00" or not more
