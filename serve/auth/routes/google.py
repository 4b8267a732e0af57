"""/api/v1/auth/google: sign in with Google. OpenID Connect, authorization code with PKCE, state and nonce.

The attempt is stored only in the browser, in a sealed cookie that expires after ten minutes and is hidden from scripts
and other sites. Only users whose mailbox is backed up may sign in; no account is created. Tokens are in the response's
body, or in session cookies if the web interface began the sign-in, never in a URL.
Sources: developers.google.com/identity/openid-connect (read 2026-11), RFC 7636, RFC 9700.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Cookie, HTTPException, Query, Request, Response
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from jobs.gmail.config import GmailConfig, require_safe
from jobs.gmail.credentials import TokenRefused, token_answer
from jobs.gmail.errors import GmailError
from serve.auth import cookies
from serve.auth.audit_buffer import AuditBuffer
from serve.auth.errors import NotBackedUp, SignInFailed
from serve.auth.policies import Role, public
from serve.auth.pubsub_auth import Certificates
from serve.auth.routes.auth import PREFIX, TokenAnswer
from serve.auth.tokens import IssuedTokens, TokenService
from serve.config import GoogleConfig
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from storage.control.accounts import UnknownUser
from storage.control.control import Control
from storage.control.principal import Principal
from storage.control.sealing import SealBroken, Sealer

COOKIE = "gbm_signin"
#: Where the web interface begins.
_PAGE = "/"
_CONTEXT = "google-sign-in"
#: Domains whose addresses Google itself assigns.
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_LIVES_S = 600
_LEEWAY_S = 5
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in under way, as the cookie has it."""

    state: str
    nonce: str
    verifier: str
    until: float
    page: bool = False  # begun by the web interface, which gets cookies instead of tokens


@dataclass(frozen=True, slots=True)
class Identity:
    """A Google account: its address, and the id that it keeps when the address changes hands."""

    email: str
    sub: str


class GoogleSignIn:
    """Redirects browsers to Google and handles their return. Blocks while it calls Google."""

    def __init__(
        self,
        config: GoogleConfig,
        gmail: GmailConfig,
        keys: Certificates,
        sealer: Sealer,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._gmail, self._keys, self._sealer, self._clock = config, gmail, keys, sealer, clock

    @property
    def enabled(self) -> bool:
        """Whether there is an OAuth client to do it with."""
        return bool(self._config.client_id and self._config.client_secret and self._config.redirect_uri)

    @property
    def is_https(self) -> bool:
        """Whether the browser comes back over https."""
        return not self._config.redirect_uri.startswith("http://")

    def begin(self, page: bool = False) -> tuple[str, str]:
        """The address to send a browser to, and the cookie to give it. `page`: the web interface begins it."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        attempt = Attempt(state, nonce, verifier, self._clock() + _LIVES_S, page)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self._config.client_id,
            "redirect_uri": self._config.redirect_uri,
            "response_type": "code",
            "scope": "openid email",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        content = orjson.dumps([attempt.state, attempt.nonce, attempt.verifier, attempt.until, attempt.page])
        cookie = base64.urlsafe_b64encode(self._sealer.seal(content, _CONTEXT)).decode()
        return f"{require_safe(self._config.auth_uri)}?{urlencode(query)}", cookie

    def is_of_page(self, cookie: str) -> bool:
        """Whether the web interface began the attempt of a cookie."""
        try:
            return self._opened(cookie).page
        except SignInFailed:
            return False

    def finish(self, cookie: str, state: str, code: str) -> Identity:
        """The verified account of the returning user.

        Raises:
            SignInFailed, CertificatesUnavailable.
        """
        attempt = self._opened(cookie)
        if not hmac.compare_digest(attempt.state.encode(), state.encode()):
            raise SignInFailed("state")
        secret = self._config.client_secret
        assert secret is not None
        form = {
            "grant_type": "authorization_code",
            "client_id": self._config.client_id,
            "client_secret": secret.get_secret_value(),
            "code": code,
            "code_verifier": attempt.verifier,
            "redirect_uri": self._config.redirect_uri,
        }
        try:
            address = require_safe(self._config.token_uri)
            answer = orjson.loads(token_answer(form, address, self._gmail, datetime.now(UTC)))
            token = answer["id_token"]
        except (TokenRefused, GmailError, orjson.JSONDecodeError, KeyError, TypeError) as exc:
            raise SignInFailed(f"code ({type(exc).__name__})") from exc
        return self._verified(token, attempt.nonce)

    def _opened(self, cookie: str) -> Attempt:
        try:
            content = self._sealer.open(base64.urlsafe_b64decode(cookie[:_LONGEST]), _CONTEXT)
            attempt = Attempt(*orjson.loads(content))
        except (SealBroken, ValueError, TypeError) as exc:
            raise SignInFailed("cookie") from exc
        if attempt.until < self._clock():
            raise SignInFailed("late")
        return attempt

    def _verified(self, token: Any, nonce: str) -> Identity:
        """The account that an ID token names, once everything else in it is right."""
        if not isinstance(token, str) or len(token) > _LONGEST:
            raise SignInFailed("ID token")
        try:
            head = jws.extract_compact(token.encode()).headers()
            if head.get("alg") != "RS256":
                raise SignInFailed("algorithm")
            key_id = str(head.get("kid"))
            key = self._keys.get(key_id).get(key_id)
            if key is None:
                raise SignInFailed("unknown key")
            claims = jwt.decode(token, RSAKey.import_key(orjson.loads(key)), algorithms=["RS256"]).claims
            jwt.JWTClaimsRegistry(
                now=lambda: int(self._clock()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "values": list(_ISSUERS)},
                aud={"essential": True, "value": self._config.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as exc:
            raise SignInFailed(f"ID token ({type(exc).__name__})") from exc
        if claims.get("email_verified") is not True or not isinstance(claims.get("email"), str):
            raise SignInFailed("address not verified")
        email, sub = str(claims["email"]).lower(), claims.get("sub")
        if not isinstance(sub, str) or not 0 < len(sub) <= 255:
            raise SignInFailed("no account")
        domain = email.rpartition("@")[2]
        # Of other addresses Google vouches only where it hosts the domain: anybody can have verified one, once.
        if domain not in _GMAIL and str(claims.get("hd", "")).lower() != domain:
            raise SignInFailed("address of a domain that is not the account's")
        return Identity(email, sub)


def router(
    sign_in: GoogleSignIn, control: Control, tokens: TokenService, notes: AuditBuffer, threads: BlockingExecutor
) -> APIRouter:
    """The routes; without an OAuth client they answer 404."""
    routes = APIRouter(prefix=f"{PREFIX}/google", tags=["auth"], responses=responses(401, 403, 404, 422, 503))

    @routes.get("/login", summary="Sign in with Google: sends the browser there", status_code=302)
    @public(cost=10, login=True)
    async def login(
        page: Annotated[bool, Query(description="return to the web interface, signed in by cookies")] = False,
    ) -> Response:
        if not sign_in.enabled:
            raise HTTPException(404)
        address, cookie = await threads.run(sign_in.begin, page)
        answer = Response(status_code=302, headers={"Location": address})
        _set(answer, cookie, _LIVES_S)
        return answer

    @routes.get(
        "/callback",
        summary="Where Google sends the browser back; answers tokens",
        response_model=TokenAnswer,
        responses={303: {"description": "back to the web interface, which began the sign-in"}},
    )
    @public(cost=10, login=True)
    async def callback(
        request: Request,
        response: Response,
        state: Annotated[str, Query(max_length=200)] = "",
        code: Annotated[str, Query(max_length=2000)] = "",
        gbm_signin: Annotated[str, Cookie(max_length=_LONGEST)] = "",
    ) -> TokenAnswer | Response:
        if not sign_in.enabled:
            raise HTTPException(404)
        _set(response, "", 0)  # an attempt is good once

        def signed_in() -> tuple[Principal, IssuedTokens]:
            identity = sign_in.finish(gbm_signin, state, code)
            try:
                user = control.user(identity.email)
            except UnknownUser as exc:
                raise NotBackedUp from exc
            if not control.bind_google(user.user_id, identity.sub):
                raise SignInFailed(f"another Google account than before for {user.email}")
            principal = Principal(user.user_id, user.email, user.shard_id, Role.OWNER.value)
            return principal, tokens.begin(principal)

        try:
            principal, grant = await threads.run(signed_in)
        except (SignInFailed, NotBackedUp) as exc:
            reason = exc.reason if isinstance(exc, SignInFailed) else "not backed up here"
            notes.add(request.state.address, "token.refused", "google", reason)
            if sign_in.is_of_page(gbm_signin):
                return _to_page(f"{_PAGE}#refused={'google' if isinstance(exc, SignInFailed) else 'not_backed_up'}")
            raise
        notes.add(request.state.address, "token.issued", principal.email, "signed in with Google")
        if sign_in.is_of_page(gbm_signin):
            back = _to_page(_PAGE)
            cookies.set_session(back, grant, tokens.refresh_s, secure=sign_in.is_https)
            return back
        response.headers["Cache-Control"] = "no-store"
        return TokenAnswer.of(grant)

    return routes


def _to_page(address: str) -> Response:
    """Return the browser to the web interface; the attempt is over."""
    response = Response(status_code=303, headers={"Location": address})
    _set(response, "", 0)
    return response


def _set(response: Response, value: str, lives_s: int) -> None:
    response.set_cookie(
        COOKIE, value, max_age=lives_s, path=f"{PREFIX}/google", secure=True, httponly=True, samesite="lax"
    )
