"""What a failed answer means."""

from datetime import UTC, datetime

import orjson
import pytest

from jobs.gmail.answers import classify, retry_after_s
from jobs.gmail.errors import (
    GmailError,
    GmailRefused,
    GmailUnavailable,
    NotFound,
    Throttled,
    TokenRejected,
)

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def error_body(reason: str = "", message: str = "", status: str = "") -> bytes:
    error = {"code": 0, "message": message, "errors": [{"reason": reason}] if reason else []}
    return orjson.dumps({"error": error | ({"status": status} if status else {})})


@pytest.mark.parametrize(
    ("status", "reason", "message", "kind", "retryable"),
    [
        (401, "authError", "Invalid Credentials", TokenRejected, True),
        (404, "notFound", "Requested entity was not found.", NotFound, False),
        (400, "invalidArgument", "Invalid id value", GmailRefused, False),
        (400, "failedPrecondition", "Precondition check failed.", GmailUnavailable, True),
        (403, "insufficientPermissions", "Insufficient Permission", GmailRefused, False),
        (403, "domainPolicy", "disabled by the administrator", GmailRefused, False),
        (408, "", "", GmailUnavailable, True),
        (500, "backendError", "Internal error", GmailUnavailable, True),
        (502, "", "", GmailUnavailable, True),
        (503, "backendError", "", GmailUnavailable, True),
        (204, "", "", GmailUnavailable, True),
        (302, "", "", GmailUnavailable, True),
    ],
)
def test_a_status_with_its_reason_becomes_an_error(
    status: int, reason: str, message: str, kind: type[GmailError], retryable: bool
) -> None:
    error = classify(status, error_body(reason, message), {}, NOW)

    assert type(error) is kind
    assert error.retryable is retryable
    assert message in str(error)


@pytest.mark.parametrize(
    ("status", "reason", "message", "scope"),
    [
        (429, "rateLimitExceeded", "Too many concurrent requests for user.", "concurrency"),
        (429, "rateLimitExceeded", "Rate limit exceeded", "project"),
        (429, "userRateLimitExceeded", "User-rate limit exceeded.", "user"),
        (429, "", "", "user"),
        (403, "userRateLimitExceeded", "User Rate Limit Exceeded", "user"),
        (403, "rateLimitExceeded", "Rate Limit Exceeded", "project"),
        (403, "quotaExceeded", "Quota exceeded", "project"),
        (403, "dailyLimitExceeded", "Daily Limit Exceeded", "project"),
        (403, "", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'", "user"),
        (403, "", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'", "user"),
    ],
)
def test_a_limit_is_told_from_a_refusal_and_knows_its_scope(status: int, reason: str, message: str, scope: str) -> None:
    error = classify(status, error_body(reason, message), {}, NOW)

    assert isinstance(error, Throttled)
    assert error.scope == scope
    assert error.retryable


def test_the_newer_error_shape_names_the_limit_by_its_status() -> None:
    error = classify(429, error_body(status="RESOURCE_EXHAUSTED", message="Too much"), {}, NOW)

    assert isinstance(error, Throttled)
    assert error.scope == "project"


@pytest.mark.parametrize(
    ("headers", "message", "wait_s"),
    [
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": " 0 "}, "", 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT"}, "", 90.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, "", 0.0),
        ({"retry-after": "Sun, 22 Nov 2099 11:00:00 GMT"}, "", 86_400.0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "-5"}, "", None),
        ({}, "User-rate limit exceeded.  Retry after 2026-11-22T12:00:10.000Z", 10.0),
        ({"retry-after": "3"}, "Retry after 2026-11-22T12:00:10.000Z", 3.0),
        ({}, "Retry after 2026-99-99T12:00:10Z", None),
        ({}, "later", None),
    ],
)
def test_the_wait_is_read_from_the_header_or_the_words(
    headers: dict[str, str], message: str, wait_s: float | None
) -> None:
    assert retry_after_s(headers, message, NOW) == wait_s


@pytest.mark.parametrize(
    "body", [b"", b"<html>Not Found</html>", b"[]", b"null", b'{"error": "x"}', b'{"error": 5}', b"\xff\xfe"]
)
def test_a_404_that_is_not_gmails_never_means_that_mail_is_gone(body: bytes) -> None:
    assert isinstance(classify(404, body, {}, NOW), GmailRefused)


@pytest.mark.parametrize(
    "body",
    [b'{"error": {"errors": 5}}', b'{"error": {"errors": [5, {"reason": 7}]}}', b'{"error": {"message": {"a": 1}}}'],
)
def test_an_odd_error_object_is_still_classified(body: bytes) -> None:
    assert isinstance(classify(503, body, {}, NOW), GmailUnavailable)


def test_a_long_answer_makes_a_short_error() -> None:
    assert len(str(classify(500, b"x" * 1_000_000, {}, NOW))) < 500
