"""One OpenAPI document of all applications, and the page that shows it. Nothing on the page loads from elsewhere."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serve import positions
from serve.problems import Problem

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


def merged(title: str, version: str, apps: Sequence[FastAPI]) -> dict[str, Any]:
    """The OpenAPI document of several apps, whose routes carry whole paths."""
    routes = [route for app in apps for route in app.routes]
    document = get_openapi(title=title, version=version, routes=routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    positions.describe(document, ("/api/v1/emails", "/api/v1/sync"))
    return document


def asset(name: str) -> tuple[bytes, str]:
    """A file of the page and its media type.

    Raises:
        KeyError: the page has no such file.
    """
    file, media_type = ASSETS[name]
    return resources.files("fastapi_offline").joinpath("static", file).read_bytes(), media_type
