"""One OpenAPI document of all applications, and the page that shows it. Nothing on the page loads from elsewhere."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from serve.auth.policies import Policy, policy_of
from serve.http import session_token
from serve.http.problems import Problem, responses

TITLE = "Gmail Backup Manager"
#: Swagger UI sets styles of its own; scripts come from us alone.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAYS = """\
Errors are problem documents (RFC 9457) with a stable `code`. Lists come in pages: `next_cursor` is the next one's
`cursor`. Every GET that answers JSON takes `fields`, the members that you want and no others, such as
`fields=next_cursor,items(id,subject)`; what is required below is then not there. It has an `ETag`, and answers 304 to
who sends it as `If-None-Match`.
"""
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "the ETag of the answer that you have",
    "schema": {"type": "string"},
}
_LIMIT_HEADERS = {
    "Retry-After": {"description": "seconds to wait", "schema": {"type": "string"}},
}
#: Name under /docs/ -> (file of the package that ships Swagger UI, media type).
ASSETS = {
    "swagger-ui.js": ("swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": ("swagger-ui.css", "text/css"),
}
START = """\
window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
  });
});
"""
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gmail Backup Manager</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; the same is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


def merged(title: str, version: str, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """One OpenAPI document of these routes, which carry whole paths."""
    document = get_openapi(title=title, version=version, routes=routes, description=_SAYS)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "an access token of POST /api/v1/auth/token"}
    }
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _describe(document["paths"][route.path_format][method.lower()], method, policy_of(route))
    session_token.describe(document, ("/api/v1/emails", "/api/v1/sync", "/api/v1/threads", "/api/v1/analytics"))
    return document


def _describe(operation: dict[str, Any], method: str, policy: Policy | None) -> None:
    """Say what the stack adds to an operation: who may call it, what it may answer besides, how it is narrowed."""
    told = dict(responses(429, 503, 504))
    if policy is not None and not policy.is_public:
        operation["security"] = [{"bearer": []}]
        told |= responses(401, 403)
    if "requestBody" in operation:
        told |= responses(400, 413, 422)
    if operation.get("parameters"):
        told |= responses(422)
    answer = operation["responses"].get("200", {})
    if method == "GET" and "application/json" in answer.get("content", {}):
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        told |= responses(400) | {304: {"description": "you have this answer"}}
        answer.setdefault("headers", {})["ETag"] = {"schema": {"type": "string"}, "description": "of this answer"}
    for status, what in told.items():
        operation["responses"].setdefault(str(status), what)
    for name, what in _LIMIT_HEADERS.items():
        operation["responses"]["429"].setdefault("headers", {})[name] = what


def asset(name: str) -> tuple[bytes, str]:
    """A file of the page and its media type.

    Raises:
        KeyError: the page has no such file.
    """
    file, media_type = ASSETS[name]
    return resources.files("fastapi_offline").joinpath("static", file).read_bytes(), media_type
