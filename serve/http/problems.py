"""Error responses: problem documents (RFC 9457) with a stable `code` and no internal details.

Errors that a client can correct are shown with their own text. Errors that only an operator can correct are logged with
their own text and shown with a general one.
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

    type: str = Field("about:blank", description="always about:blank; use `code`")
    title: str = Field(description="summary of the kind of problem")
    status: int
    detail: str = Field(description="cause of this problem, and what to do")
    instance: str = Field(description="path of the request")
    code: str = Field(description="stable identifier of the kind of problem")
    request_id: str = Field(description="id of the request, to quote when you report the problem")
    trace_id: str = Field("", description="id of the request's trace")


@dataclass(frozen=True, slots=True)
class Fault:
    """The response to a class of errors. detail: None shows the text of the error."""

    status: int
    code: str
    title: str
    detail: str | None = None
    retry_after_s: int | None = None
    #: Computes `retry_after_s` from the error.
    wait_s: Callable[[BackupError], float] | None = None


#: Error class -> response; an entry applies to subclasses. The project's table is in serve/error_responses.py.
FaultTable = Mapping[type[BackupError], Fault]

_INTERNAL = Fault(
    500,
    "internal",
    "Internal error",
    "The server failed to process the request: report the request id to your operator.",
)
_STATUSES: Mapping[int, tuple[str, str, str]] = {
    400: ("bad_request", "Bad request", "The request is malformed: correct it."),
    404: ("not_found", "Not found", "The resource does not exist or is not accessible to you."),
    405: ("method_not_allowed", "Method not allowed", "This path does not support the method: see the Allow header."),
    408: ("timeout", "Request timeout", "The request did not arrive in time: send it again."),
    413: ("body_too_large", "Body too large", "The request's body is too large: send less."),
    415: ("media_type", "Unsupported media type", "Send the body as application/json."),
    416: (
        "range_not_satisfiable",
        "Range not satisfiable",
        "The range is out of bounds: see the Content-Range header.",
    ),
    504: ("took_too_long", "Timeout", "The request took too long: request less, or try again later."),
}


def problem(
    scope: Mapping[str, object], fault: Fault, detail: str | None = None, errors: list[dict[str, object]] | None = None
) -> Response:
    """Build the response for a fault."""
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
    """Build the response for an HTTP status."""
    code, title, detail = _STATUSES.get(status, (f"http_{status}", "Request refused", "The request was refused."))
    return problem(scope, Fault(status, code, title, detail))


def overloaded(scope: Mapping[str, object]) -> Response:
    """Build the response for too many concurrent requests."""
    return problem(
        scope, Fault(503, "overloaded", "Service overloaded", "This service is too busy: try again shortly.", 1)
    )


def internal(scope: Mapping[str, object]) -> Response:
    """Build the response for an unexpected exception."""
    return problem(scope, _INTERNAL)


def fault_of(error: BackupError, table: FaultTable) -> Fault:
    """Entry of an error's class or nearest base class; internal error if there is none."""
    for kind in type(error).__mro__:
        fault = table.get(kind)
        if fault is not None:
            return fault
    return _INTERNAL


def of_error(scope: Mapping[str, Any], error: BackupError) -> Response:
    """Build the response for an error, from the table passed to `install`. Logs errors with status 5xx."""
    fault = fault_of(error, scope["app"].state.faults)
    if fault.status >= 500:
        _LOG.error("%s: %s", type(error).__name__, error)
    if fault.wait_s is not None:
        fault = replace(fault, retry_after_s=math.ceil(fault.wait_s(error)))
    return problem(scope, fault, str(error) if fault.detail is None else None)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for problems with these statuses."""
    content = {_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI, table: FaultTable) -> None:
    """Register handlers that answer errors with problem documents."""
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
    """Methods of all routes with the request's path; the router's own Allow header names those of one route."""
    routes = [route for route in getattr(request.app.state, "routes", ()) if isinstance(route, Route)]
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in fitting for method in route.methods or ()}


def _on_validation_error(request: Request, error: Exception) -> Response:
    """Report locations and reasons, but not the input, which may be a secret."""
    assert isinstance(error, RequestValidationError)
    errors: list[dict[str, object]] = [
        {"location": [str(part) for part in item["loc"]], "message": item["msg"]} for item in error.errors()
    ]
    where = "; ".join(".".join(str(part) for part in item["loc"]) + ": " + item["msg"] for item in error.errors())
    fault = Fault(422, "validation", "Invalid request", where[:1000] or "The request is not valid.")
    return problem(request.scope, fault, errors=errors)
