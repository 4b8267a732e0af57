"""/api/v1/auth: secrets in, tokens out."""

from typing import Self

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from serve.admission import CallerClaims, Door
from serve.config import ServeConfig
from serve.gateway import application
from serve.policies import permits, public
from serve.problems import responses
from serve.threads import Threads
from serve.tokens import TokenDesk

PREFIX = "/api/v1/auth"


class TokenRequest(BaseModel):
    """One secret."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr | None = Field(None, max_length=200, description="an API key, as it was shown once")
    refresh_token: SecretStr | None = Field(None, max_length=200, description="the refresh token of the last answer")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.api_key is None) == (self.refresh_token is None):
            raise ValueError("give either api_key or refresh_token")
        return self


class TokenAnswer(BaseModel):
    """Tokens. The refresh token is good once."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="seconds that the access token is good for")
    refresh_token: str


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


def create(desk: TokenDesk, door: Door, threads: Threads, config: ServeConfig) -> FastAPI:
    """The application."""
    router = APIRouter(prefix=PREFIX, tags=["auth"], responses=responses(401, 422, 503))

    @router.post("/token", summary="Trade an API key or a refresh token for an access token")
    @public(cost=10, login=True)
    async def token(body: TokenRequest) -> TokenAnswer:
        if body.api_key is not None:
            grant = await threads.run(desk.by_key, body.api_key.get_secret_value())
        else:
            assert body.refresh_token is not None
            grant = await threads.run(desk.by_refresh_token, body.refresh_token.get_secret_value())
        return TokenAnswer(
            access_token=grant.access_token, expires_in=grant.expires_in, refresh_token=grant.refresh_token
        )

    @router.post("/verify", summary="What this access token says")
    @permits()
    async def verify(claims: CallerClaims) -> Claims:
        return Claims.model_validate(claims)

    return application("auth", [router], config, door)
