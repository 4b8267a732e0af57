"""W3C trace context: the trace id that connects the logs of several programs.

Source: w3.org/TR/trace-context (read 2026-11). An invalid `traceparent` is replaced, as the standard requires. Ids are
propagated, returned in the response and logged; spans are not sampled or exported.
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
    """A request's span in its trace."""

    trace_id: str
    span_id: str
    flags: str
    state: str = ""

    @property
    def traceparent(self) -> str:
        """Value of the header, for outgoing calls and for the response."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def begin(traceparent: str | None, tracestate: str | None) -> Span:
    """Start a span in the caller's trace, or in a new trace if the header is missing or invalid."""
    match = _FORM.fullmatch(traceparent) if traceparent is not None else None
    if match is None or not _is_valid(match[1], match[2], match[3], match[5]):
        return Span(secrets.token_hex(16), secrets.token_hex(8), "00")
    state = tracestate if tracestate is not None and len(tracestate) <= _STATE_MOST else ""
    return Span(match[2], secrets.token_hex(8), f"{int(match[4], 16) & 1:02x}", state)


def current() -> Span | None:
    """Span of the current request."""
    return _current.get()


def enter(span: Span) -> None:
    """Make this span the current one, in this task and the tasks that it starts."""
    _current.set(span)


def _is_valid(version: str, trace_id: str, parent_id: str, more: str | None) -> bool:
    if version == "ff" or not trace_id.strip("0") or not parent_id.strip("0"):
        return False
    return version != "00" or not more
