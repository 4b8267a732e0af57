"""Classifies a failed response of Gmail: one function from status, body and headers to an error.

No I/O; the clock is an argument. The client uses it for whole responses and for the parts of a batch.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from jobs.gmail.errors import (
    GmailError,
    GmailRefused,
    GmailUnavailable,
    NotFound,
    Throttled,
    ThrottleScope,
    TokenRejected,
)

# Reasons of the error object that report a rate limit -> the scope of the limit.
# Source: developers.google.com/workspace/gmail/api/guides/handle-errors and .../reference/quota (2026-11).
_LIMIT_REASONS: Mapping[str, ThrottleScope] = {
    "userRateLimitExceeded": "user",
    "rateLimitExceeded": "project",
    "quotaExceeded": "project",
    "dailyLimitExceeded": "project",
    "RATE_LIMIT_EXCEEDED": "project",
    "RESOURCE_EXHAUSTED": "project",
}
_RETRY_AFTER_MAX_S = 86_400.0
_REASON_MAX_CHARS = 300
_RETRY_AFTER_TEXT = re.compile(r"retry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?)", re.IGNORECASE)


def classify(
    status: int, body: bytes | bytearray | memoryview, headers: Mapping[str, str], now: datetime
) -> GmailError:
    """The error of a status other than 200. A status below 400 comes from a proxy or a portal, not from Gmail.

    Args:
        status: HTTP status of the answer, or of one part of a batch.
        body: as received; Gmail's JSON error object, or anything.
        headers: names in lower case.
        now: aware; turns a Retry-After date into seconds.
    """
    reasons, message = _error_object(body)
    message = message or bytes(body[:_REASON_MAX_CHARS]).decode("utf-8", "replace")
    text = _short(" ".join([*reasons[:1], message]).strip() or f"HTTP {status}")
    wait_s = retry_after_s(headers, message, now)
    if status == 401:
        return TokenRejected(text)
    if is_gone(status, body):
        return NotFound(text)
    scope = _throttle_scope(status, reasons, message)
    if scope is not None:
        return Throttled(scope, wait_s, text)
    if status < 400 or status >= 500 or status == 408 or (status == 400 and _is_precondition(reasons)):
        return GmailUnavailable(f"HTTP {status}: {text}", wait_s)
    return GmailRefused(status, text)


def is_gone(status: int, body: bytes | bytearray | memoryview) -> bool:
    """Whether Gmail itself reports that the resource does not exist.

    A 404 without Gmail's error object comes from elsewhere (a wrong address, a proxy) and is
    no evidence about the mail, so it must never make a message count as deleted.
    """
    return status == 404 and _error_object(body) != ([], "")


def retry_after_s(headers: Mapping[str, str], message: str, now: datetime) -> float | None:
    """The wait that Gmail requests: 0 to 86,400 seconds; None if it requests none.

    Gmail states it in the Retry-After header (seconds or an HTTP date) or only in the text of the message
    ("User-rate limit exceeded.  Retry after 2026-11-22T10:00:00.000Z").
    """
    value = headers.get("retry-after", "").strip()
    wait_s = _header_wait_s(value, now) if value else None
    if wait_s is None and (found := _RETRY_AFTER_TEXT.search(message)):
        wait_s = _moment_wait_s(found[1], now)
    return None if wait_s is None else min(max(wait_s, 0.0), _RETRY_AFTER_MAX_S)


def _header_wait_s(value: str, now: datetime) -> float | None:
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _moment_wait_s(text: str, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat(text.rstrip("Zz"))
    except ValueError:
        return None
    return (moment.replace(tzinfo=UTC) - now).total_seconds()


def _throttle_scope(status: int, reasons: list[str], message: str) -> ThrottleScope | None:
    words = message.lower()
    limited = [_LIMIT_REASONS[reason] for reason in reasons if reason in _LIMIT_REASONS]
    if status != 429 and not (status == 403 and (limited or "quota exceeded" in words)):
        return None
    if "concurrent" in words:
        return "concurrency"
    # "Quota exceeded for ... 'Queries per minute per user'" names the user only in its text.
    if "user" in limited or "per user" in words or "user-rate" in words:
        return "user"
    return limited[0] if limited else "user"


def _is_precondition(reasons: list[str]) -> bool:
    return "failedPrecondition" in reasons or "FAILED_PRECONDITION" in reasons


def _error_object(body: bytes | bytearray | memoryview) -> tuple[list[str], str]:
    """Reasons (the specific ones first) and the message of Gmail's error object; empty when it is none."""
    try:
        error: Any = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return [], ""
    if not isinstance(error, dict):
        return [], ""
    details = error.get("errors")
    found = [item.get("reason") for item in details if isinstance(item, dict)] if isinstance(details, list) else []
    reasons = [str(reason) for reason in [*found, error.get("status")] if reason]
    return reasons, str(error.get("message") or "")


def _short(text: str) -> str:
    """One line of bounded length, for tables and logs."""
    return " ".join(text.split())[:_REASON_MAX_CHARS]
