"""The session cookies of the web interface, and what a request with one must prove.

`gbm_session` holds an access token, `gbm_refresh` the refresh token of the same session. Scripts cannot read them, and
browsers send them from pages of this site only. A request that relies on `gbm_session` must come from this origin.
Unless it only reads, it must also repeat the session's CSRF token in a header, which pages of other origins can neither
read nor set. Requests with a bearer token need none of this.
Sources: RFC 6265bis; W3C Fetch Metadata (read 2026-11).
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from starlette.requests import cookie_parser

from serve.auth.tokens import IssuedTokens
from serve.settings import PREFIXES
from storage.errors import BackupError

SESSION, REFRESH = "gbm_session", "gbm_refresh"
#: The header that repeats the CSRF token.
CSRF_HEADER = "X-GBM-CSRF"
#: Paths that receive the cookies: every route of the API; the routes of sessions.
SESSION_PATH, REFRESH_PATH = "/api/v1", f"{PREFIXES['auth']}/session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST = 16_384


class CrossSite(BackupError):
    """The request relies on a session cookie, and may come from a page of another site. It was not executed."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return (
            "A request with a session cookie must come from a page of this server and repeat the session's CSRF token "
            f"in {CSRF_HEADER}: reload the page. Programs use a Bearer token instead."
        )


def csrf_token(claims: Mapping[str, Any]) -> str | None:
    """The CSRF token of a session, from the verified claims of its access token; None: a token without a session.

    It is derived from the session's id, which only the cookie has, so that it stays the same when tokens are renewed.
    """
    session = claims.get("sid")
    return None if session is None else hashlib.sha256(f"gbm csrf {session}".encode()).hexdigest()[:32]


def require_own_page(method: str, headers: Mapping[str, str], claims: Mapping[str, Any]) -> None:
    """Check that a request with the session cookie comes from our own page.

    Raises:
        CrossSite.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise CrossSite
    if method in _SAFE:
        return
    expected = csrf_token(claims)
    given = headers.get(CSRF_HEADER.lower(), "")
    if expected is None or not hmac.compare_digest(expected.encode(), given.encode()):
        raise CrossSite


def cookies_of(header: str) -> dict[str, str]:
    """The cookies of a Cookie header by name; of a header that is too long: none.

    Read as the routes read them: a malformed cookie of another program on the host hides none of ours.
    """
    if len(header) > _LONGEST or "gbm_" not in header:
        return {}
    return cookie_parser(header)


def set_session(response: Response, tokens: IssuedTokens, refresh_s: float, secure: bool) -> None:
    """Give a browser the cookies of a session. `secure`: to be sent over https only."""
    _set(response, SESSION, tokens.access_token, tokens.expires_in, SESSION_PATH, secure)
    _set(response, REFRESH, tokens.refresh_token, int(refresh_s), REFRESH_PATH, secure)


def clear_session(response: Response, secure: bool) -> None:
    """Have a browser forget the cookies of its session."""
    _set(response, SESSION, "", 0, SESSION_PATH, secure)
    _set(response, REFRESH, "", 0, REFRESH_PATH, secure)


def is_secure(origin: str | None) -> bool:
    """Whether cookies must be limited to https: unless the page itself came over http.

    Args:
        origin: the Origin header, which browsers set and pages cannot change. The scheme of the request itself says
            nothing, because TLS ends in a proxy in front of the gateway.
    """
    return origin is None or not origin.startswith("http://")


def _set(response: Response, name: str, value: str, lives_s: int, path: str, secure: bool) -> None:
    response.set_cookie(name, value, max_age=lives_s, path=path, secure=secure, httponly=True, samesite="strict")
