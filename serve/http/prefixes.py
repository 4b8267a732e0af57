"""Sends each request to the application of its path, in a process that runs several applications.

The rule is that of the proxy in front of replicas of their own (Ray Serve's HAProxy template): the longest prefix that
ends at a slash, or is the whole path, by the bytes of the request line before any decoding.
"""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send


class PrefixMiddleware:
    """Wraps the application that receives every request without a known prefix, and the lifespan."""

    def __init__(self, app: ASGIApp, applications: Mapping[str, ASGIApp]) -> None:
        """`applications`: by prefix, such as "/api/v1/sync"."""
        self._app = app
        longest_first = sorted(applications, key=len, reverse=True)
        self._applications = [(prefix.encode(), applications[prefix]) for prefix in longest_first]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app if scope["type"] == "lifespan" else self._application_of(scope)
        await app(scope, receive, send)

    def _application_of(self, scope: Scope) -> ASGIApp:
        path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        for prefix, app in self._applications:
            if path == prefix or path.startswith(prefix + b"/"):
                return app
        return self._app
