"""The web interface: its page, scripts, styles and icon, as serve/web/README.md builds them.

Served from this process's memory. The page loads nothing from other hosts and has no inline scripts or styles. Browsers
refuse to parse HTML from a string (Trusted Types), so the text of a message cannot become part of the page.
"""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fastapi import APIRouter, HTTPException, Request, Response

from serve.auth.policies import public

#: Content security policy of the page. frame-src: a message as HTML, which has a policy of its own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
#: Views that have a path of their own; each answers the same page.
VIEWS = ("mail", "files", "statistics", "backup", "access")
_FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the interface. packed: gzip; None: it does not shrink."""

    content: bytes
    packed: bytes | None
    media_type: str

    def answer(self, request: Request, headers: Mapping[str, str]) -> Response:
        """The response, compressed if the client accepts it."""
        given = {**headers, "Vary": "Accept-Encoding"}
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, headers={**given, "Content-Encoding": "gzip"}, media_type=self.media_type)
        return Response(self.content, headers=given, media_type=self.media_type)


@cache
def files() -> Mapping[str, File]:
    """The built files by name: index.html, and those of assets/, whose names contain a hash of their content."""
    built = resources.files("serve").joinpath("web", "built")
    found = {"index.html": built.joinpath("index.html").read_bytes()}
    found |= {each.name: each.read_bytes() for each in built.joinpath("assets").iterdir()}
    return {name: _file(name, content) for name, content in found.items()}


def page(request: Request) -> Response:
    """The page, which every view begins with."""
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
    return files()["index.html"].answer(request, headers)


def wants_page(request: Request) -> bool:
    """Whether the client of / is a browser; programs get the index."""
    return "text/html" in request.headers.get("accept", "")


def router() -> APIRouter:
    """The routes, which are not part of the API."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/assets/{name}")
    @public(cost=0.2)
    async def asset(request: Request, name: str) -> Response:
        found = files().get(name)
        if found is None or name == "index.html":
            raise HTTPException(404)
        return found.answer(request, {"Cache-Control": _FOREVER})

    @public(cost=0.2)
    async def view(request: Request) -> Response:
        return page(request)

    for name in VIEWS:
        pages.add_api_route(f"/{name}", view, methods=["GET"])
    return pages


def _file(name: str, content: bytes) -> File:
    suffix = name[name.rindex(".") :]
    packed = gzip.compress(content, 9, mtime=0)
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return File(content, packed if len(packed) < len(content) else None, media_type)
