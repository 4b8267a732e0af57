"""/api/v1/auth/session: sessions of the web interface, in cookies (serve/auth/cookies.py).

The same access and refresh tokens as programs get, and ended by the same revocations; no token is in a body or a URL.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from fastapi import APIRouter, Cookie, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from serve.auth import api_keys, cookies
from serve.auth.audit_buffer import AuditBuffer
from serve.auth.authentication import Authenticate, TokenInvalid, principal_of
from serve.auth.policies import public
from serve.auth.routes.auth import PREFIX, ByKey
from serve.auth.tokens import IssuedTokens, SecretRefused, TokenService
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from storage.control.grants import Grants

_Csrf = Annotated[
    str,
    Header(
        alias=cookies.CSRF_HEADER,
        max_length=100,
        description="any text; a page of another origin cannot send this header",
    ),
]


async def _require_header(csrf: _Csrf) -> None:
    """Refuse requests without the header: they may come from a form of another site."""


_OWN_PAGE = [Depends(_require_header)]
_Origin = Annotated[str | None, Header(max_length=300, description="set by browsers; http: cookies need no https")]
_Token = Annotated[str, Cookie(max_length=8192)]


class ByCode(BaseModel):
    """A sign-in code to exchange."""

    model_config = ConfigDict(extra="forbid")

    code: SecretStr = Field(max_length=200, description="a sign-in code, from a link; it can be used once")


class Session(BaseModel):
    """Who is signed in with the session cookies of this request."""

    email: str | None = Field(description="null: nobody is signed in, or the access token has expired")
    role: str | None
    scopes: list[str] | None = Field(description="null: all that the role may")
    expires_in: int = Field(description="seconds until the session must be renewed: see /refresh")
    csrf_token: str | None = Field(description=f"to be sent in {cookies.CSRF_HEADER} with everything but GET")
    renewable: bool = Field(description="whether there is a refresh token, which /refresh may accept")
    google: bool = Field(description="whether sign-in with Google is configured")

    @classmethod
    def of(cls, claims: Mapping[str, Any] | None, expires_in: int, renewable: bool, google: bool) -> Self:
        """The model of a session. claims: of its access token; None: there is none."""
        principal = None if claims is None else principal_of(dict(claims))
        scopes = None if principal is None else principal.scopes
        return cls(
            email=principal and principal.email,
            role=principal and principal.role,
            scopes=None if scopes is None else sorted(scopes),
            expires_in=expires_in,
            csrf_token=None if claims is None else cookies.csrf_token(claims),
            renewable=renewable,
            google=google,
        )


@dataclass(frozen=True, slots=True)
class SessionServices:
    """The collaborators of the routes. google: whether sign-in with Google is configured."""

    tokens: TokenService
    grants: Grants
    authenticate: Authenticate
    notes: AuditBuffer
    threads: BlockingExecutor
    google: bool

    async def claims(self, access: str) -> dict[str, Any] | None:
        """The claims of an access token; None: it is worth nothing."""
        try:
            return await self.authenticate(access) if access else None
        except TokenInvalid:
            return None

    async def begin(self, response: Response, issued: IssuedTokens, origin: str | None) -> Session:
        """Set the cookies of tokens and describe their session."""
        cookies.set_session(response, issued, self.tokens.refresh_s, cookies.is_secure(origin))
        response.headers["Cache-Control"] = "no-store"
        claims = await self.authenticate(issued.access_token)
        return Session.of(claims, issued.expires_in, renewable=True, google=self.google)


def router(services: SessionServices) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=f"{PREFIX}/session", tags=["auth"], responses=responses(401, 403, 422, 503))
    _add_session(routes, services)
    _add_renewal(routes, services)
    return routes


def _add_session(routes: APIRouter, services: SessionServices) -> None:
    @routes.post(
        "",
        summary="Sign a browser in by an API key or a sign-in code: sets the session cookies",
        dependencies=_OWN_PAGE,
    )
    @public(cost=10, login=True)
    async def sign_in(request: Request, response: Response, body: ByKey | ByCode, origin: _Origin = None) -> Session:
        try:
            if isinstance(body, ByKey):
                text = body.api_key.get_secret_value()
                issued, subject = await services.threads.run(services.tokens.by_key, text), text[4:14]
            else:
                principal, issued = await services.threads.run(services.tokens.by_code, body.code.get_secret_value())
                subject = principal.email
        except SecretRefused:
            parsed = api_keys.parse(body.api_key.get_secret_value()) if isinstance(body, ByKey) else None
            services.notes.add(
                request.state.address, "token.refused", parsed[0] if parsed else "unknown", "secret refused"
            )
            raise
        how = "signed in by key" if isinstance(body, ByKey) else "signed in by link"
        services.notes.add(request.state.address, "token.issued", subject, how)
        return await services.begin(response, issued, origin)

    @routes.get("", summary="Who is signed in with the session cookies")
    @public()
    async def session(gbm_session: _Token = "", gbm_refresh: _Token = "") -> Session:
        claims = await services.claims(gbm_session)
        left_s = 0 if claims is None else max(int(claims["exp"] - services.tokens.now()), 0)
        return Session.of(claims, left_s, renewable=bool(gbm_refresh), google=services.google)


def _add_renewal(routes: APIRouter, services: SessionServices) -> None:
    @routes.post("/refresh", summary="Renew the session cookies", dependencies=_OWN_PAGE)
    @public(cost=10, login=True)
    async def refresh(
        request: Request, response: Response, origin: _Origin = None, gbm_refresh: _Token = ""
    ) -> Session:
        try:
            issued = await services.threads.run(services.tokens.by_refresh_token, gbm_refresh)
        except SecretRefused:
            services.notes.add(request.state.address, "token.refused", "refresh token", "secret refused")
            raise
        return await services.begin(response, issued, origin)

    @routes.delete(
        "",
        status_code=204,
        summary="Sign this browser out: ends the session and removes its cookies",
        dependencies=_OWN_PAGE,
    )
    @public(cost=10)
    async def sign_out(
        request: Request, origin: _Origin = None, gbm_session: _Token = "", gbm_refresh: _Token = ""
    ) -> Response:
        claims, run = await services.claims(gbm_session), services.threads.run
        if claims is not None:
            cookies.require_own_page("DELETE", request.headers, claims)
            await run(services.grants.end_session, principal_of(claims), claims["sid"])
        elif used := await run(services.tokens.used_up, gbm_refresh):
            await run(services.grants.end_session, *used)
        response = Response(status_code=204)
        cookies.clear_session(response, cookies.is_secure(origin))
        return response
