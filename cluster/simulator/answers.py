"""What goes back over the wire, in Google's shapes. No I/O."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import orjson

JSON = "application/json; charset=UTF-8"

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    # "cut": the connection closes in the middle of the body; "stall": it stays open and silent there; "lost": it closes
    # before the first byte.
    broken: Literal["", "cut", "stall", "lost"] = ""


class GoogleError(Exception):
    """A call that ends in one of Google's error answers; caught where calls are answered."""

    def __init__(self, status: int, reason: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(status, reason, message, retry_after_s)
        self.status, self.reason, self.message = status, reason, message
        self.retry_after_s = retry_after_s

    def answer(self) -> Answer:
        retry = () if self.retry_after_s is None else (("Retry-After", str(self.retry_after_s)),)
        challenge = (("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/"'),)
        return Answer(self.status, self._body(), JSON, challenge if self.status == 401 else retry)

    def _body(self) -> bytes:
        quota = self.reason in ("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded")
        name = "FAILED_PRECONDITION" if self.reason == "failedPrecondition" else _STATUS_NAMES[self.status]
        detail = {
            "message": self.message,
            "domain": "usageLimits" if quota else "global",
            "reason": self.reason,
        }
        return orjson.dumps(
            {"error": {"code": self.status, "message": self.message, "errors": [detail], "status": name}}
        )


def ok(document: Mapping[str, Any] | list[Any]) -> Answer:
    return Answer(200, orjson.dumps(document))


def not_found() -> GoogleError:
    return GoogleError(404, "notFound", "Requested entity was not found.")


def invalid(message: str) -> GoogleError:
    return GoogleError(400, "invalidArgument", message)
