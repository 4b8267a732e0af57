"""What an error looks like outside: a problem document (RFC 9457) with a stable `code`, and nothing internal.

An error of ours that a client can act on is told in its own words; one that only an operator can act on goes to the
log in its own words, and to the client in general ones.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from serve.authentication import TokenInvalid
from serve.fields import InvalidFields
from serve.mailboxes import UnknownShard
from serve.owners import JobsUnavailable, OwnerUnavailable, UnknownOperation
from serve.policies import RoleRequired, ScopeRequired
from serve.pubsub import CertificatesUnavailable, PushRefused
from serve.rates import RateLimited
from serve.refusals import NotBackedUp, SignInFailed
from serve.tokens import SecretRefused
from storage.blobs import FileDamaged
from storage.campaigns import CampaignEnded, IdempotencyMismatch, UnknownCampaign
from storage.control import MailboxPaused, TooManyKeys, UnknownUser
from storage.counting import TooManyBuckets
from storage.databases import DatabaseUnreachable
from storage.emails import InvalidCursor
from storage.errors import BackupError
from storage.grants import UnknownGrant
from storage.language.errors import InvalidQuery
from storage.leases import LeaseHeld, LeaseLost
from storage.positions import InvalidPosition
from storage.sandbox.errors import SqlBusy, SqlCrashed, SqlInvalid, SqlRefused, SqlTimedOut, SqlTooLarge
from storage.zones import UnknownZone

_LOG = logging.getLogger(__name__)
_MEDIA_TYPE = "application/problem+json"
_CHALLENGE = 'Bearer realm="gmail-backup-manager"'


class Problem(BaseModel):
    """A problem document, for OpenAPI."""

    model_config = ConfigDict(title="Problem")

    type: str = Field("about:blank", description="always about:blank: `code` tells the kind")
    title: str = Field(description="the kind of problem, in words")
    status: int
    detail: str = Field(description="what is wrong here, and what to do")
    instance: str = Field(description="the request's path")
    code: str = Field(description="the kind of problem, stable")
    request_id: str = Field(description="quote it when you report the problem")
    trace_id: str = Field("", description="of the trace that the request belongs to")


@dataclass(frozen=True, slots=True)
class Fault:
    """How a kind of error is told. `detail` None: in the error's own words."""

    status: int
    code: str
    title: str
    detail: str | None = None
    retry_after_s: int | None = None


_AGAIN = "This part of the service does not answer at the moment: try again shortly."
_INTERNAL = Fault(
    500, "internal", "Internal error", "Something went wrong on our side: report the request id to your operator."
)
_FAULTS: Mapping[type[BackupError], Fault] = {
    InvalidQuery: Fault(400, "invalid_query", "Search not understood"),
    InvalidCursor: Fault(400, "invalid_cursor", "Cursor not valid"),
    InvalidPosition: Fault(400, "invalid_position", "Position not valid"),
    PushRefused: Fault(401, "push_refused", "Push not accepted"),
    SecretRefused: Fault(401, "secret_refused", "Secret not accepted"),
    TokenInvalid: Fault(401, "token_invalid", "Access token not accepted"),
    RoleRequired: Fault(403, "role_required", "Role not sufficient"),
    ScopeRequired: Fault(403, "scope_required", "Key not sufficient"),
    UnknownUser: Fault(404, "unknown_user", "Mailbox not known"),
    UnknownOperation: Fault(404, "unknown_operation", "Operation not known"),
    MailboxPaused: Fault(409, "mailbox_paused", "Mailbox paused"),
    IdempotencyMismatch: Fault(422, "idempotency_mismatch", "Key used for another request"),
    TooManyKeys: Fault(409, "too_many_keys", "Too many keys"),
    SqlInvalid: Fault(400, "sql_invalid", "SQL not understood"),
    SqlRefused: Fault(400, "sql_refused", "SQL not allowed"),
    SqlTooLarge: Fault(400, "sql_too_large", "Takes too much"),
    SqlTimedOut: Fault(400, "sql_timed_out", "Took too long"),
    SqlCrashed: Fault(400, "sql_crashed", "No answer"),
    SqlBusy: Fault(503, "sql_busy", "Other questions come first", retry_after_s=5),
    UnknownZone: Fault(400, "unknown_time_zone", "Time zone not known"),
    TooManyBuckets: Fault(400, "too_many_buckets", "Too many buckets"),
    UnknownCampaign: Fault(404, "unknown_campaign", "Campaign not known"),
    CampaignEnded: Fault(409, "campaign_ended", "Campaign not in a state for that"),
    CertificatesUnavailable: Fault(503, "certificates_unavailable", "Certificates not available", _AGAIN, 10),
    SignInFailed: Fault(401, "sign_in_failed", "Sign-in failed"),
    NotBackedUp: Fault(403, "not_backed_up", "No account here"),
    UnknownGrant: Fault(404, "unknown_grant", "Grant not known"),
    RateLimited: Fault(429, "rate_limited", "Too many requests"),
    InvalidFields: Fault(400, "invalid_fields", "Fields not understood"),
    JobsUnavailable: Fault(503, "jobs_unavailable", "Jobs cannot be submitted", _AGAIN, 10),
    FileDamaged: Fault(
        500, "file_damaged", "Archive damaged", "The archived copy is damaged: ask your operator to verify the archive."
    ),
    DatabaseUnreachable: Fault(503, "database_unreachable", "Database unreachable", _AGAIN, 5),
    OwnerUnavailable: Fault(503, "shard_unavailable", "Shard unavailable", _AGAIN, 2),
    UnknownShard: Fault(503, "shard_unavailable", "Shard unavailable", _AGAIN, 30),
    LeaseHeld: Fault(503, "lease_held", "Shard owned elsewhere", _AGAIN, 15),
    LeaseLost: Fault(503, "lease_lost", "Shard changes its owner", _AGAIN, 2),
}
_STATUSES: Mapping[int, tuple[str, str, str]] = {
    400: ("bad_request", "Request not understood", "The request could not be read: correct it."),
    404: ("not_found", "Not found", "There is nothing under this address for you."),
    405: ("method_not_allowed", "Method not allowed", "This address does not take this method: see the Allow header."),
    408: ("timeout", "Request too slow", "The request did not arrive in time: send it again."),
    413: ("body_too_large", "Body too large", "The request's body is larger than this service takes."),
    415: ("media_type", "Media type not accepted", "Send the body as application/json."),
    416: ("range_not_satisfiable", "Range not satisfiable", "There are no such bytes: see the Content-Range header."),
    504: ("took_too_long", "Took too long", "The answer took too long: ask for less, or try again later."),
}


def problem(
    scope: Mapping[str, object], fault: Fault, detail: str | None = None, errors: list[dict[str, object]] | None = None
) -> Response:
    """The response that tells a fault."""
    state = scope.get("state")
    document: dict[str, object] = {
        "type": "about:blank",
        "title": fault.title,
        "status": fault.status,
        "detail": detail or fault.detail or fault.title,
        "instance": scope.get("path", "/"),
        "code": fault.code,
        "request_id": state.get("request_id", "") if isinstance(state, dict) else "",
        "trace_id": state.get("trace_id", "") if isinstance(state, dict) else "",
    }
    if errors is not None:
        document["errors"] = errors
    headers = {}
    if fault.status == 401:
        headers["WWW-Authenticate"] = _CHALLENGE
    if fault.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(fault.retry_after_s))
    return Response(orjson.dumps(document), fault.status, headers, _MEDIA_TYPE)


def of_status(scope: Mapping[str, object], status: int) -> Response:
    """The response that tells a bare HTTP status."""
    code, title, detail = _STATUSES.get(status, (f"http_{status}", "Request refused", "The request was refused."))
    return problem(scope, Fault(status, code, title, detail))


def overloaded(scope: Mapping[str, object]) -> Response:
    """The response to more requests than are taken on at a time."""
    return problem(scope, Fault(503, "overloaded", "Too busy", "This service is too busy: try again shortly.", 1))


def internal(scope: Mapping[str, object]) -> Response:
    """The response to a defect of ours."""
    return problem(scope, _INTERNAL)


def fault_of(error: BackupError) -> Fault:
    """How an error of ours is told."""
    for kind in type(error).__mro__:
        fault = _FAULTS.get(kind)
        if fault is not None:
            return fault
    return _INTERNAL


def of_error(scope: Mapping[str, object], error: BackupError) -> Response:
    """The response that tells an error of ours; one that is not the client's to mend is logged."""
    fault = fault_of(error)
    if fault.status >= 500:
        _LOG.error("%s: %s", type(error).__name__, error)
    if isinstance(error, RateLimited):
        fault = replace(fault, retry_after_s=math.ceil(error.wait_s))
    return problem(scope, fault, str(error) if fault.detail is None else None)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a router's problems."""
    content = {_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Have an app tell its errors as problems."""
    app.add_exception_handler(BackupError, _on_backup_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)


def _on_backup_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, BackupError)
    return of_error(request.scope, error)


def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = of_status(request.scope, error.status_code)
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """What the address takes, over all of its routes: the router tells those of one."""
    routes = [route for route in getattr(request.app.state, "routes", ()) if isinstance(route, Route)]
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in fitting for method in route.methods or ()}


def _on_validation_error(request: Request, error: Exception) -> Response:
    """Where and why, never the input: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    errors: list[dict[str, object]] = [
        {"location": [str(part) for part in item["loc"]], "message": item["msg"]} for item in error.errors()
    ]
    where = "; ".join(".".join(str(part) for part in item["loc"]) + ": " + item["msg"] for item in error.errors())
    fault = Fault(422, "validation", "Request not valid", where[:1000] or "The request is not valid.")
    return problem(request.scope, fault, errors=errors)
