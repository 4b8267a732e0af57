"""The consent page and the authorization codes that it issues: authorization code with PKCE (RFC 6749, 4.1; RFC 7636).

No clock: the caller passes the time.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Final
from urllib.parse import urlencode, urlsplit

from cluster.simulator.answers import Answer

PATH: Final = "/o/oauth2/v2/auth"
_CODE_LIVES_S = 600.0
#: Maximum number of accounts on the page.
_CHOICE = 50
_HTML = "text/html; charset=utf-8"
_CARRIED = ("client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method", "response_type")


@dataclass(frozen=True, slots=True)
class _Code:
    email: str
    scope: str
    challenge: str
    redirect_uri: str
    nonce: str
    expires_at: float


class Consent:
    """Shows the consent page, and keeps the codes until they are exchanged."""

    def __init__(self, emails: Sequence[str], client_id: str) -> None:
        self._emails, self._client_id = emails, client_id
        self._codes: dict[str, _Code] = {}

    def page(self, query: Mapping[str, str]) -> Answer:
        """GET: a page with the client and the scopes, and a form to allow or deny them."""
        if (wrong := self._wrong(query)) is not None:
            return wrong
        hint = query.get("login_hint", "").lower()
        offered = [hint] if hint in self._emails else list(self._emails[:_CHOICE])
        names = [*_CARRIED, *(name for name in ("nonce",) if query.get(name))]
        carried = "".join(f'<input type=hidden name="{name}" value="{escape(query[name])}">' for name in names)
        choice = "".join(f"<option>{escape(email)}</option>" for email in offered)
        body = (
            "<!doctype html><meta charset=utf-8><title>Consent</title><h1>Simulated Google</h1>"
            f"<p>{escape(query['client_id'])} wants {escape(query['scope'])}.</p>"
            f'<form method=post action="{PATH}">{carried}<select name=email>{choice}</select> '
            "<button name=decision value=allow>Allow</button> <button name=decision value=deny>Deny</button></form>"
        )
        return Answer(200, body.encode(), _HTML)

    def decide(self, form: Mapping[str, str], now: float) -> Answer:
        """POST: redirect the browser with a code or an error."""
        if (wrong := self._wrong(form)) is not None:
            return wrong
        if form.get("decision") != "allow" or form.get("email") not in self._emails:
            return _back(form, {"error": "access_denied"})
        self._codes = {code: pending for code, pending in self._codes.items() if pending.expires_at > now}
        code = f"4/sim-{secrets.token_urlsafe(24)}"
        self._codes[code] = _Code(
            form["email"],
            form["scope"],
            form["code_challenge"],
            form["redirect_uri"],
            form.get("nonce", ""),
            now + _CODE_LIVES_S,
        )
        return _back(form, {"code": code})

    def exchange(self, form: Mapping[str, str], now: float) -> tuple[str, str, str] | None:
        """The user, scopes and nonce of a code; None if the code or a parameter does not match. A code works once."""
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires_at <= now or code.redirect_uri != form.get("redirect_uri"):
            return None
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        if urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            return None
        return code.email, code.scope, code.nonce

    def _wrong(self, parameters: Mapping[str, str]) -> Answer | None:
        """An error page if the redirect URI cannot be trusted, else None."""
        missing = [name for name in _CARRIED if not parameters.get(name)]
        if missing:
            return _error(f"invalid_request: {missing[0]} is missing")
        if parameters["client_id"] != self._client_id:
            return _error("invalid_client")
        redirect = urlsplit(parameters["redirect_uri"])
        if redirect.scheme != "http" or redirect.hostname not in ("127.0.0.1", "localhost", "::1"):
            return _error("redirect_uri_mismatch")
        if parameters["response_type"] != "code" or parameters["code_challenge_method"] != "S256":
            return _error("invalid_request: response_type must be code, and code_challenge_method S256")
        return None


def _back(form: Mapping[str, str], result: Mapping[str, str]) -> Answer:
    target = f"{form['redirect_uri']}?{urlencode({**result, 'state': form['state']})}"
    return Answer(302, b"", _HTML, (("Location", target), ("Cache-Control", "no-store")))


def _error(reason: str) -> Answer:
    return Answer(400, f"<!doctype html><title>Error</title><p>{escape(reason)}</p>".encode(), _HTML)
