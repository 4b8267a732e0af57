"""One OpenAPI document of all applications, and the page that shows it. Nothing on the page loads from elsewhere."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from serve import positions
from serve.policies import policy_of
from serve.problems import Problem, responses

#: Swagger UI sets styles of its own; scripts come from us alone.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
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
    document = get_openapi(title=title, version=version, routes=routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _describe_policies(document, routes)
    positions.describe(document, ("/api/v1/emails", "/api/v1/sync"))
    return document


def _describe_policies(document: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Say which operations need a token, and what those answer without."""
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "an access token of POST /api/v1/auth/token"}
    }
    for route in routes:
        policy = policy_of(route)
        if not isinstance(route, APIRoute) or not route.include_in_schema or policy is None or policy.is_public:
            continue
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            operation["security"] = [{"bearer": []}]
            for status, told in responses(401, 403).items():
                operation["responses"].setdefault(str(status), told)


def asset(name: str) -> tuple[bytes, str]:
    """A file of the page and its media type.

    Raises:
        KeyError: the page has no such file.
    """
    file, media_type = ASSETS[name]
    return resources.files("fastapi_offline").joinpath("static", file).read_bytes(), media_type
