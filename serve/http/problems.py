"""What an error looks like outside: a problem document (RFC 9457) with a stable `code`, and nothing internal.

An error of ours that a client can act on is told in its own words; one that only an operator can act on goes to the
log in its own words, and to the client in general ones.
"""

import logging
import math
from collections.abc import Callable, Mapping
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

from storage.errors import BackupError

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
    #: Computes `retry_after_s` from the error, for errors that know how long to wait.
    wait_s: Callable[[BackupError], float] | None = None


#: Which error becomes which answer; a class stands for its subclasses. serve/error_responses.py has the project's.
FaultTable = Mapping[type[BackupError], Fault]

_INTERNAL = Fault(
    500, "internal", "Internal error", "Something went wrong on our side: report the request id to your operator."
)
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


def fault_of(error: BackupError, table: FaultTable) -> Fault:
    """The entry of an error's class or of its nearest base class; without one the error is internal."""
    for kind in type(error).__mro__:
        fault = table.get(kind)
        if fault is not None:
            return fault
    return _INTERNAL


def of_error(scope: Mapping[str, Any], error: BackupError) -> Response:
    """The response to an error of ours, by the table that `install` gave the app. Errors with status 5xx are logged."""
    fault = fault_of(error, scope["app"].state.faults)
    if fault.status >= 500:
        _LOG.error("%s: %s", type(error).__name__, error)
    if fault.wait_s is not None:
        fault = replace(fault, retry_after_s=math.ceil(fault.wait_s(error)))
    return problem(scope, fault, str(error) if fault.detail is None else None)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a router's problems."""
    content = {_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI, table: FaultTable) -> None:
    """Make an app answer errors as problem documents."""
    app.state.faults = table
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
