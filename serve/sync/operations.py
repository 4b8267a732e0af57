"""/api/v1/sync/operations: everything that takes long, in one shape: backfills and restores.

An operation's id is KIND-NUMBER; what it is of a kind, how far and how it is cancelled its provider says.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from serve.auth.authorization import Caller
from serve.auth.policies import Role, Scope, permits
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.http.sse import LastEventId, Streams
from serve.sync.ports import UnknownOperation

PATH = "/api/v1/sync/operations"
#: States in which nothing more will change by itself.
ENDED = frozenset({"paused", "cancelled", "complete", "incomplete", "failed"})


class OperationProgress(BaseModel):
    """How far it is."""

    done: int
    total: int
    unit: str = Field(description="what is counted: mailboxes, messages")
    fraction: float = Field(ge=0, le=1)
    eta_s: float | None = Field(description="seconds left at its own pace; null while unknown, and once it has ended")


class OperationError(BaseModel):
    """What could not be done, and what to do about it."""

    subject: str
    error: str | None


class Operation(BaseModel):
    """Something that takes long."""

    id: str
    kind: str = Field(description="backfill or restore")
    state: str = Field(description="running, pausing, paused, cancelling, cancelled, complete, incomplete or failed")
    requested_by: str
    created_at: datetime
    ended_at: datetime | None
    progress: OperationProgress
    result: dict[str, int | float | str | None] = Field(description="what has come of it so far")
    errors: list[OperationError] = Field(description="100 at most")
    links: dict[str, str]


class OperationPage(BaseModel):
    """Operations, newest first."""

    items: list[Operation]
    next_cursor: str | None


class Provider(Protocol):
    """Knows the operations of one kind. Blocking. `serve.sync.campaigns.Backfills` is one."""

    def operation(self, number: str) -> Operation:
        """Raises an error of its own when there is none."""

    def cancel(self, number: str, by: str, /) -> Any: ...

    def operations(self, limit: int, cursor: str | None, state: str | None) -> tuple[list[Operation], str | None]: ...


def router(providers: Mapping[str, Provider], streams: Streams, threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["sync"], responses=responses(401, 403, 422, 503))
    readers = permits(Role.OPERATOR, Role.AUDITOR, scope=Scope.CAMPAIGNS)
    Id = Annotated[str, Path(max_length=100, description="as the list has it")]

    def found(operation_id: str) -> tuple[Provider, str]:
        kind, _, number = operation_id.partition("-")
        if kind not in providers or not (number.isascii() and number.isdigit() and len(number) < 19):
            raise UnknownOperation(operation_id)
        return providers[kind], number

    async def one(operation_id: str) -> Operation:
        provider, number = found(operation_id)
        return await threads.run(provider.operation, number)

    @routes.get("", summary="Operations, newest first")
    @readers
    async def listing(
        kind: Annotated[str, Query(pattern="^[a-z]{1,20}$")] = "backfill",
        state: Annotated[str | None, Query(pattern="^[a-z]{1,20}$")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=20)] = None,
    ) -> OperationPage:
        if kind not in providers:
            return OperationPage(items=[], next_cursor=None)
        items, following = await threads.run(providers[kind].operations, limit, cursor, state)
        return OperationPage(items=items, next_cursor=following)

    @routes.get("/{operation_id}", summary="How far an operation is", responses=responses(404))
    @readers
    async def get(operation_id: Id) -> Operation:
        return await one(operation_id)

    @routes.get(
        "/{operation_id}/progress",
        summary="How far an operation is, as server-sent events",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}}, **responses(404, 429)},
    )
    @permits(Role.OPERATOR, Role.AUDITOR, scope=Scope.CAMPAIGNS, cost=5, streaming=True)
    async def progress(principal: Caller, operation_id: Id, last_event_id: LastEventId = None) -> Response:
        await one(operation_id)  # what is not there is told before anything streams
        return streams.response(
            principal.user_id,
            operation_id,
            lambda: one(operation_id),
            lambda state: isinstance(state, Operation) and state.state in ENDED,
            last_event_id,
        )

    @routes.post("/{operation_id}/cancel", summary="Stop an operation", responses=responses(404, 409))
    @permits(Role.OPERATOR, scope=Scope.CAMPAIGNS)
    async def cancel(principal: Caller, operation_id: Id) -> Operation:
        provider, number = found(operation_id)
        await threads.run(provider.cancel, number, principal.acting_email)
        return await one(operation_id)

    return routes
