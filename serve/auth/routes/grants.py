"""/api/v1/auth/grants: leave to read another's mail. No role has it by itself.

A grant is for one mailbox, for a reason, for some hours, and in the audit log; the mailbox's owner sees it and can end
it. Its token speaks for the mailbox, as the owner's would, but reads only, and names who reads (`act`, RFC 8693). An
operator's may also restore mail into the mailbox, if that was asked for and the operator's key was made for it.
"""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from serve.auth.authentication import AccessTokens
from serve.auth.authorization import Caller, CallerClaims
from serve.auth.policies import GRANTED, Role, RoleRequired, Scope, ScopeRequired, may_restore, permits
from serve.auth.routes.auth import PREFIX, TokenAnswer
from serve.config import TokenConfig
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from storage.control.control import Control
from storage.control.grants import Grant, Grants
from storage.control.principal import Principal


class GrantRequest(BaseModel):
    """Whose mail is to be read, and why."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(min_length=3, max_length=320, pattern=r"^[^\x00]+$")
    reason: str = Field(min_length=5, max_length=200, pattern=r"^[^\x00]+$", description="stands in the audit log")
    expires_in: int = Field(3600, ge=60, description="seconds; the service has a limit")
    restore: bool = Field(False, description="also to restore mail into it: for operators whose key has that scope")


class GrantItem(BaseModel):
    """A grant."""

    grant_id: str
    mailbox: str
    reader: str
    role: str
    reason: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    alive: bool
    restore: bool = Field(description="whether mail may be restored by it")

    @classmethod
    def of(cls, grant: Grant) -> Self:
        """The document of a grant."""
        return cls(
            grant_id=grant.grant_id,
            mailbox=grant.mailbox.email,
            reader=grant.grantee,
            role=grant.role,
            reason=grant.reason,
            created_at=grant.created_at,
            expires_at=grant.expires_at,
            revoked_at=grant.revoked_at,
            alive=grant.alive,
            restore=grant.may_restore,
        )


class GrantList(BaseModel):
    """Grants, newest first."""

    items: list[GrantItem]


_GrantId = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]*$")]


def router(
    grants: Grants, control: Control, tokens: AccessTokens, threads: BlockingExecutor, config: TokenConfig
) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=f"{PREFIX}/grants", tags=["auth"], responses=responses(401, 403, 422, 503))

    @routes.post("", status_code=201, summary="Get leave to read a mailbox", responses=responses(404))
    @permits(Role.OPERATOR, Role.AUDITOR, scope=Scope.AUDIT, cost=10)
    async def create(principal: Caller, body: GrantRequest) -> GrantItem:
        granted(principal)
        if body.restore:
            if principal.role != Role.OPERATOR:
                raise RoleRequired(Role.OPERATOR.value)
            if not may_restore(principal):
                raise ScopeRequired(Scope.RESTORE)

        def made() -> Grant:
            mailbox = control.user(body.email)
            return grants.create(principal, mailbox, body.reason, min(body.expires_in, config.grant_s), body.restore)

        return GrantItem.of(await threads.run(made))

    @routes.get("", summary="Grants that you have, and on your mailbox; an operator's: all")
    @permits(scope=Scope.KEYS)
    async def listing(principal: Caller, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> GrantList:
        found = await threads.run(grants.listed, _person(principal), limit)
        return GrantList(items=[GrantItem.of(grant) for grant in found])

    @routes.delete("/{grant_id}", summary="End a grant that you have, or on your mailbox", responses=responses(404))
    @permits(scope=Scope.KEYS)
    async def revoke(principal: Caller, grant_id: _GrantId) -> GrantItem:
        return GrantItem.of(await threads.run(grants.revoke, grant_id, principal, _person(principal)))

    @routes.post("/{grant_id}/token", summary="An access token to read by a grant", responses=responses(404))
    @permits(Role.OPERATOR, Role.AUDITOR, scope=Scope.AUDIT, cost=10)
    async def token(principal: Caller, claims: CallerClaims, grant_id: _GrantId) -> TokenAnswer:
        scopes = granted(principal)
        grant = await threads.run(grants.use, grant_id, principal)
        if grant.may_restore and may_restore(principal):
            scopes |= {Scope.RESTORE.value}
        mailbox = grant.mailbox
        reader = Principal(
            mailbox.user_id,
            mailbox.email,
            mailbox.shard_id,
            Role.OWNER.value,
            scopes,
            principal.key_id,
            grant.grant_id,
            principal.email,
        )
        # It ends with the token that asked for it, and with that one's session, key and user.
        lifetime_s = int(min(tokens.lifetime_s, grant.left_s, max(claims["exp"] - tokens.now(), 0)))
        access = await threads.run(tokens.issue, reader, claims.get("sid"), lifetime_s, principal.user_id)
        return TokenAnswer(access_token=access, expires_in=lifetime_s, refresh_token=None)

    return routes


def granted(principal: Principal) -> frozenset[str]:
    """The scopes of a token by a grant: what grants give, and no more than the caller's own key may.

    Raises:
        ScopeRequired: nothing is left.
    """
    scopes = frozenset(scope.value for scope in GRANTED)
    if principal.scopes is not None:
        scopes &= principal.scopes
    if not scopes:
        raise ScopeRequired(Scope.MAIL)
    return scopes


def _person(principal: Principal) -> int | None:
    return None if principal.role == Role.OPERATOR else principal.user_id
