"""/api/v1/auth/keys: the caller's API keys."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter, HTTPException, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from serve.auth import api_keys
from serve.auth.authorization import Caller
from serve.auth.policies import NAMED, Role, RoleRequired, Scope, ScopeRequired, permits
from serve.auth.routes.auth import PREFIX
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from storage.control.api_keys import ApiKey
from storage.control.control import Control
from storage.control.principal import Principal

_LONGEST_S = 10 * 366 * 86_400


class KeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Field(Role.OWNER, description="owner, or the role that you have")
    scopes: list[Scope] | None = Field(None, max_length=10, description="what it may; null: all that you may")
    expires_in: int | None = Field(
        None,
        ge=60,
        le=_LONGEST_S,
        description="seconds; null: until it is revoked, or the key ends that it was made with",
    )


class KeyItem(BaseModel):
    """An API key, without its secret."""

    key_id: str
    role: str
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """The document of a key."""
        return cls(
            key_id=key.key_id,
            role=key.role,
            scopes=list(key.scopes) if key.scopes is not None else None,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )


class NewKey(KeyItem):
    """A key that was just made."""

    api_key: str = Field(description="the secret; it is not shown again")


class KeyList(BaseModel):
    """Your keys, oldest first."""

    items: list[KeyItem]


def router(control: Control, threads: BlockingExecutor, keys_per_user: int) -> APIRouter:
    """The routes. `keys_per_user`: live keys that one user may have."""
    routes = APIRouter(prefix=PREFIX, tags=["auth"], responses=responses(401, 422, 503))

    @routes.get("/keys", summary="Your API keys, without their secrets")
    @permits(scope=Scope.KEYS)
    async def keys(principal: Caller) -> KeyList:
        found = await threads.run(control.keys, principal.user_id)
        return KeyList(items=[KeyItem.of(key) for key in found])

    @routes.post("/keys", status_code=201, summary="Make an API key; it is shown once", responses=responses(403, 409))
    @permits(scope=Scope.KEYS, cost=10)
    async def make_key(principal: Caller, body: KeyRequest) -> NewKey:
        saved, secret = await threads.run(_make, control, principal, body, keys_per_user)
        return NewKey(**KeyItem.of(saved).model_dump(), api_key=secret)

    @routes.delete("/keys/{key_id}", status_code=204, summary="Revoke one of your API keys", responses=responses(404))
    @permits(scope=Scope.KEYS)
    async def revoke(principal: Caller, key_id: Annotated[str, Path(max_length=200)]) -> Response:
        if "\0" in key_id or not await threads.run(control.revoke_key, key_id, principal.user_id, principal.email):
            raise HTTPException(404)
        return Response(status_code=204)

    return routes


def narrowed(principal: Principal, asked: KeyRequest) -> frozenset[str] | None:
    """The scopes of a key that this caller makes: no key can do what its maker cannot.

    Raises:
        RoleRequired, ScopeRequired.
    """
    if asked.role not in (Role.OWNER, principal.role):
        raise RoleRequired(asked.role.value)
    scopes = None if asked.scopes is None else frozenset(scope.value for scope in asked.scopes)
    if principal.scopes is None:
        if named := (scopes or frozenset()) & NAMED:  # what a key must have been given by name, no other key gives on
            raise ScopeRequired(min(named))
        return scopes
    if scopes is None:
        return principal.scopes
    if beyond := scopes - principal.scopes:
        raise ScopeRequired(min(beyond))
    return scopes


def _make(control: Control, principal: Principal, asked: KeyRequest, keys_per_user: int) -> tuple[ApiKey, str]:
    """Make and store a key; returns it with its secret. Blocking."""
    new, scopes = api_keys.new_key(), narrowed(principal, asked)
    until = datetime.now(UTC) + timedelta(seconds=asked.expires_in) if asked.expires_in is not None else None
    control.save_key(
        *(new.key_id, principal.user_id, asked.role.value, new.secret_hash, until, scopes),
        by=principal.email,
        maker=principal.key_id,
        most=keys_per_user,
    )
    saved = next(key for key in control.keys(principal.user_id) if key.key_id == new.key_id)
    return saved, new.text.get_secret_value()
