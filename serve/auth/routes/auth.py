"""/api/v1/auth: trade secrets for tokens, end sessions, and publish the keys that verify tokens."""

from typing import Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from serve.auth import api_keys
from serve.auth.audit_buffer import AuditBuffer
from serve.auth.authorization import Caller, CallerClaims
from serve.auth.policies import Scope, permits, public
from serve.auth.signing import SigningKeys
from serve.auth.tokens import Grant, SecretRefused, TokenService
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.settings import PREFIXES
from storage.control.control import Control
from storage.control.grants import Grants

PREFIX = PREFIXES["auth"]
_LONGEST_S = 10 * 366 * 86_400


class ByKey(BaseModel):
    """An API key to trade."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(max_length=200, description="an API key, as it was shown once")


class ByRefreshToken(BaseModel):
    """A refresh token to trade."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: SecretStr = Field(max_length=200, description="the refresh token of the last answer")


class TokenAnswer(BaseModel):
    """Tokens. The refresh token is good once; of a grant there is none."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="seconds that the access token is good for")
    refresh_token: str | None

    @classmethod
    def of(cls, grant: Grant) -> Self:
        """What a secret was traded for."""
        return cls(access_token=grant.access_token, expires_in=grant.expires_in, refresh_token=grant.refresh_token)


class Actor(BaseModel):
    """Who reads another's mailbox (RFC 8693)."""

    sub: str


class Claims(BaseModel):
    """What a valid access token says."""

    sub: str = Field(description="the user's id")
    email: str
    role: str
    shard: int
    iss: str
    aud: str
    iat: int = Field(description="seconds since 1970")
    exp: int = Field(description="seconds since 1970")
    scope: str | None = Field(None, description="what it is narrowed to; null: all that its role may")
    grant: str | None = Field(None, description="the grant by which another reads this mailbox")
    act: Actor | None = Field(None, description="who that is")


class Jwk(BaseModel):
    """A public key (RFC 7517, 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    alg: str
    use: str


class Jwks(BaseModel):
    """The public keys that verify access tokens."""

    keys: list[Jwk]


class AuthServices:
    """The collaborators of the routes."""

    def __init__(
        self, tokens: TokenService, control: Control, grants: Grants, keys: SigningKeys, notes: AuditBuffer
    ) -> None:
        self.tokens, self.control, self.grants, self.keys, self.notes = tokens, control, grants, keys, notes


def router(desks: AuthServices, threads: BlockingExecutor) -> APIRouter:
    """The routes of tokens and sign-out."""
    routes = APIRouter(prefix=PREFIX, tags=["auth"], responses=responses(401, 422, 503))

    @routes.post("/token", summary="Trade an API key or a refresh token for an access token")
    @public(cost=10, login=True)
    async def token(body: ByKey | ByRefreshToken, request: Request) -> TokenAnswer:
        address = request.state.address
        if by_key := isinstance(body, ByKey):
            text, trade = body.api_key.get_secret_value(), desks.tokens.by_key
        else:
            text, trade = body.refresh_token.get_secret_value(), desks.tokens.by_refresh_token
        try:
            grant = await threads.run(trade, text)
        except SecretRefused:
            parsed = api_keys.parse(text)
            subject = parsed[0] if parsed else "unknown" if by_key else "refresh token"
            desks.notes.add(address, "token.refused", subject, "secret refused")
            raise
        if by_key:
            desks.notes.add(address, "token.issued", text[4:14], "signed in by key")
        return TokenAnswer.of(grant)

    @routes.post("/verify", summary="What this access token says")
    @permits(grants=True)
    async def verify(claims: CallerClaims) -> Claims:
        return Claims.model_validate(claims)

    @routes.get("/jwks", summary="The public keys that verify access tokens")
    @public()
    async def jwks(response: Response) -> Jwks:
        response.headers["Cache-Control"] = "public, max-age=60"
        return Jwks.model_validate({"keys": await threads.run(desks.keys.public)})

    @routes.post("/sign-out", status_code=204, summary="End this session: its refresh token is worth nothing")
    @permits()
    async def sign_out(principal: Caller, claims: CallerClaims) -> Response:
        if session := claims.get("sid"):
            await threads.run(desks.grants.end_session, principal, session)
        return Response(status_code=204)

    @routes.post("/sign-out-everywhere", status_code=204, summary="End all your sessions; keys stay")
    @permits(scope=Scope.KEYS)
    async def sign_out_everywhere(principal: Caller) -> Response:
        await threads.run(desks.grants.sign_out, principal)
        return Response(status_code=204)

    return routes
