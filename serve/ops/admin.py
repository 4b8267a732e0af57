"""/api/v1/admin: the audit log and the accounts, for operators and auditors. Nothing here is anybody's mail."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from serve.auth.policies import Role, Scope, permits
from serve.http.datetimes import Moment
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from storage.control.control import Control
from storage.db.audit import Audit

_Text = Annotated[str | None, Query(max_length=320, pattern=r"^[^\x00]+$")]
_Cursor = Annotated[int | None, Query(ge=1, le=2**62, description="`next_cursor` of the last answer")]
_Limit = Annotated[int, Query(ge=1, le=500)]


class AuditEntry(BaseModel):
    """Who did what to whom."""

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, str | int | bool | None]


class AuditPage(BaseModel):
    """Entries, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


class AccountItem(BaseModel):
    """A mailbox that is, or was, backed up."""

    id: str
    email: str
    shard: int
    created_at: datetime
    removed_at: datetime | None = Field(description="backed up no more since; what is stored stays")


class AccountPage(BaseModel):
    """Accounts, oldest first."""

    items: list[AccountItem]
    next_cursor: str | None


def router(audit: Audit, control: Control, threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/admin", tags=["admin"], responses=responses(401, 403, 422, 503))
    permitted = permits(Role.OPERATOR, Role.AUDITOR, scope=Scope.AUDIT, cost=5)

    @routes.get("/audit", summary="The audit log, newest first")
    @permitted
    async def entries(
        action: _Text = None,
        actor: _Text = None,
        since: Annotated[Moment | None, Query(description="RFC 3339")] = None,
        limit: _Limit = 100,
        cursor: _Cursor = None,
    ) -> AuditPage:
        found = await threads.run(audit.newest, cursor or 2**62, limit + 1, action, actor, since)
        items = [
            AuditEntry(
                id=str(entry.entry_id),
                at=entry.at,
                actor=entry.actor,
                action=entry.action,
                subject=entry.subject,
                detail=entry.detail,
            )
            for entry in found[:limit]
        ]
        return AuditPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)

    @routes.get("/users", summary="Accounts, removed ones too")
    @permitted
    async def users(limit: _Limit = 100, cursor: _Cursor = None) -> AccountPage:
        found = await threads.run(control.users_page, cursor or 0, limit + 1)
        items = [
            AccountItem(
                id=str(account.user_id),
                email=account.email,
                shard=account.shard_id,
                created_at=account.created_at,
                removed_at=account.removed_at,
            )
            for account in found[:limit]
        ]
        return AccountPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)

    return routes
