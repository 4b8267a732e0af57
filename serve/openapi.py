"""The OpenAPI document of all applications, and the documentation page, which loads nothing from other hosts."""

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
#: Swagger UI needs inline styles; scripts load from this server only.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DESCRIPTION = """\
Errors are problem documents (RFC 9457) with a stable `code`. Lists are paginated: pass `next_cursor` as `cursor` to get
the next page. Every GET that returns JSON accepts `fields`, which selects members of the response, such as
`fields=next_cursor,items(id,subject)`; required members that are not selected are then absent. The response has an
`ETag`; a request with that value in `If-None-Match` gets 304 if nothing has changed.

Programs send a Bearer token. The web interface uses session cookies (`/api/v1/auth/session`), which only its own
pages may use.
"""
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETag of a response that you have",
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
<noscript>This page requires JavaScript; see also <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


def merged(title: str, version: str, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """One OpenAPI document of these routes, which contain their full path."""
    document = get_openapi(title=title, version=version, routes=routes, description=_DESCRIPTION)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "access token from POST /api/v1/auth/token"}
    }
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _describe(document["paths"][route.path_format][method.lower()], method, policy_of(route))
    session_token.describe(document, ("/api/v1/emails", "/api/v1/sync", "/api/v1/threads", "/api/v1/analytics"))
    return document


def _describe(operation: dict[str, Any], method: str, policy: Policy | None) -> None:
    """Add the parameters, responses and security requirement that come from the middleware stack."""
    added = dict(responses(429, 503, 504))
    if policy is not None and not policy.is_public:
        operation["security"] = [{"bearer": []}]
        added |= responses(401, 403)
    if "requestBody" in operation:
        added |= responses(400, 413, 422)
    if operation.get("parameters"):
        added |= responses(422)
    success = operation["responses"].get("200", {})
    if method == "GET" and "application/json" in success.get("content", {}):
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        added |= responses(400) | {304: {"description": "not modified since the response with this ETag"}}
        success.setdefault("headers", {})["ETag"] = {"schema": {"type": "string"}, "description": "of this response"}
    for status, response in added.items():
        operation["responses"].setdefault(str(status), response)
    for name, header in _LIMIT_HEADERS.items():
        operation["responses"]["429"].setdefault("headers", {})[name] = header


def asset(name: str) -> tuple[bytes, str]:
    """Content and media type of a file of the documentation page.

    Raises:
        KeyError: the file does not exist.
    """
    file, media_type = ASSETS[name]
    return resources.files("fastapi_offline").joinpath("static", file).read_bytes(), media_type
