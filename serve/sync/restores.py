"""/api/v1/sync/restores: mail of the caller's mailbox, given back to it. 202, and a place to look.

For an owner's key that was made with the scope "restore", and for an operator by a grant that allows it. The owner sees
and stops a restore with the scope "sync" too, whoever began it. A restore into another mailbox is begun, shown and
changed at the command line alone: neither side may act for the other over HTTP.
"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from serve.auth.authorization import Caller
from serve.auth.policies import Role, Scope, permits
from serve.http.datetimes import Moment
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.sync.operations import PATH as OPERATIONS
from serve.sync.operations import Operation, OperationError, OperationProgress
from serve.sync.ports import Jobs
from storage.control.principal import Principal
from storage.control.restore_records import Restore, Selection, UnknownRestore
from storage.control.restores import Restores
from storage.model.records import User
from storage.model.results import InvalidCursor
from storage.query.parser import parse

PATH = "/api/v1/sync/restores"
_REPORTED = 1000
_ERRORS_SHOWN = 100


class RestoreRequest(BaseModel):
    """Which messages come back, and as what."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(
        "",
        max_length=2000,
        pattern=r"^[^\x00]*$",
        description="only messages that match; without Spam and Trash unless it names them",
    )
    thread: str | None = Field(None, pattern=r"^[1-9a-f][0-9a-f]{0,15}$", description="only one thread")
    deleted_since: Moment | None = Field(
        None, description="only messages that were deleted in Gmail since then, as they were then"
    )
    as_of: Moment | None = Field(None, description="the mailbox as it was")
    relabel: bool = Field(False, description="also give messages that the mailbox still has their labels back")


class RestoreStatus(BaseModel):
    """A restore and how far it is."""

    id: str
    email: str = Field(description="whose backup is restored")
    to: str = Field(description="into which mailbox")
    query: str
    thread: str | None
    deleted_since: datetime | None
    as_of: datetime | None
    relabel: bool
    state: str = Field(description="running, pausing, paused, cancelling, cancelled, complete or incomplete")
    requested_by: str
    created_at: datetime
    ended_at: datetime | None
    job_id: str = Field(description="the Ray Job, as the dashboard names it")
    planned: bool = Field(description="whether its messages are known; before, total is 0")
    total: int
    done: int = Field(description="messages imported")
    present: int = Field(description="messages that the mailbox had already")
    failed: int
    different: int = Field(description="of done: messages that came back with another date")
    size_bytes: int = Field(description="of done")
    error: str | None = Field(description="why it paused automatically, and what to do")


class RestorePage(BaseModel):
    """Restores, newest first."""

    items: list[RestoreStatus]
    next_cursor: str | None


class RestoredMessage(BaseModel):
    """A message that failed, or came back differently, and why."""

    id: str
    state: str
    detail: str


class RestoredLabel(BaseModel):
    """What a label of the backup is in the mailbox."""

    label_id: str
    name: str
    target_id: str | None
    outcome: str = Field(description="kept, found, created or mapped")
    detail: str


class RestoreReport(BaseModel):
    """What is not as it was. messages: 1,000 at most."""

    messages: list[RestoredMessage]
    labels: list[RestoredLabel]


class MailboxRestores:
    """What the routes do. Blocking."""

    def __init__(self, engine: Engine, jobs: Jobs) -> None:
        self._restores, self._jobs = Restores(engine), jobs

    def begin(self, principal: Principal, request: RestoreRequest) -> Restore:
        """Begin a restore of the caller's mailbox.

        Raises:
            InvalidQuery, TargetBusy, JobsUnavailable.
        """
        parse(request.query)
        user = User(principal.user_id, principal.email, principal.shard_id)
        restore = self._restores.begin(user, user, Selection(**request.model_dump()), principal.acting_email)
        return self._jobs.start_restore(self._restores, restore)

    def page(self, principal: Principal, limit: int, cursor: str | None) -> dict[str, Any]:
        """The caller's restores, newest first."""
        return self._page(principal.user_id, limit, cursor)

    def get(self, principal: Principal, restore_id: str) -> Restore:
        """A restore of the caller's archive into the caller's mailbox.

        Raises:
            UnknownRestore: also when the archive or the mailbox is another's.
        """
        return self._restores.get(_number(restore_id), principal.user_id)

    def report(self, principal: Principal, restore_id: str) -> dict[str, Any]:
        """Raises UnknownRestore."""
        return self._restores.report(self.get(principal, restore_id).restore_id, _REPORTED)

    def pause(self, principal: Principal, restore_id: str) -> Restore:
        """Raises UnknownRestore, RestoreConflict."""
        return self._restores.pause(self.get(principal, restore_id).restore_id, principal.acting_email)

    def resume(self, principal: Principal, restore_id: str) -> Restore:
        """Raises UnknownRestore, RestoreConflict, JobsUnavailable."""
        restore = self._restores.resume(self.get(principal, restore_id).restore_id, principal.acting_email)
        return self._jobs.start_restore(self._restores, restore)

    def end(self, principal: Principal, restore_id: str) -> Restore:
        """Raises UnknownRestore, RestoreConflict."""
        return self._restores.cancel(self.get(principal, restore_id).restore_id, principal.acting_email)

    # serve.sync.operations.Provider

    def operation(self, number: str) -> Operation:
        """A restore as an operation, for operators.

        Raises:
            UnknownRestore.
        """
        return self._operation(self._restores.get(_number(number)))

    def cancel(self, number: str, by: str) -> Restore:
        """End a restore, whosever it is.

        Raises:
            UnknownRestore, RestoreConflict.
        """
        return self._restores.cancel(_number(number), by)

    def operations(self, limit: int, cursor: str | None, state: str | None) -> tuple[list[Operation], str | None]:
        """Restores as operations, newest first; of one state, those among the page's."""
        found = self._restores.newest(limit + 1, _place(cursor))
        following = str(found[limit - 1].restore_id) if len(found) > limit else None
        return [self._operation(each) for each in found[:limit] if state in (None, each.state)], following

    def _page(self, person: int, limit: int, cursor: str | None) -> dict[str, Any]:
        found = self._restores.newest(limit + 1, _place(cursor), person)
        following = str(found[limit - 1].restore_id) if len(found) > limit else None
        return {"items": [each.as_json() for each in found[:limit]], "next_cursor": following}

    def _operation(self, restore: Restore) -> Operation:
        name, handled = f"restore-{restore.restore_id}", restore.total - restore.left
        failed = [OperationError(subject=restore.target.email, error=restore.error)] if restore.error else []
        return Operation(
            id=name,
            kind="restore",
            state=restore.state.value,
            requested_by=restore.requested_by,
            created_at=restore.created_at,
            ended_at=restore.ended_at,
            progress=OperationProgress(
                done=handled,
                total=restore.total,
                unit="messages",
                fraction=handled / restore.total if restore.total else float(restore.ended_at is not None),
                eta_s=None,
            ),
            result={
                "done": restore.done,
                "present": restore.present,
                "failed": restore.failed,
                "size_bytes": restore.size_bytes,
            },
            errors=failed[:_ERRORS_SHOWN],
            links={
                "self": f"{OPERATIONS}/{name}",
                "progress": f"{OPERATIONS}/{name}/progress",
                "cancel": f"{OPERATIONS}/{name}/cancel",
                "restore": f"{PATH}/{restore.restore_id}",
            },
        )


def _place(cursor: str | None) -> int | None:
    try:
        return _number(cursor) if cursor else None
    except UnknownRestore as exc:
        raise InvalidCursor(cursor or "") from exc


def _number(text: str) -> int:
    """Raises UnknownRestore: no restore has such an id."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UnknownRestore(0)
    return int(text)


def router(restores: MailboxRestores, threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["sync"], responses=responses(401, 403, 422, 503))
    restorers = permits(Role.OWNER, Role.OPERATOR, scope=Scope.RESTORE)
    watchers = permits(Role.OWNER, Role.OPERATOR, scope=Scope.RESTORE, own=Scope.SYNC)

    @routes.post("", status_code=202, summary="Restore mail into your mailbox", responses=responses(400, 409))
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.RESTORE, cost=10)
    async def begin(principal: Caller, body: RestoreRequest, response: Response) -> RestoreStatus:
        restore = await threads.run(restores.begin, principal, body)
        response.headers["Location"] = f"{PATH}/{restore.restore_id}"
        return RestoreStatus(**restore.as_json())

    @routes.get("", summary="Restores of your mailbox, newest first")
    @watchers
    async def listing(
        principal: Caller,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=20)] = None,
    ) -> RestorePage:
        return RestorePage(**await threads.run(restores.page, principal, limit, cursor))

    @routes.get("/{restore_id}", summary="How far a restore is", responses=responses(404))
    @watchers
    async def get(principal: Caller, restore_id: str) -> RestoreStatus:
        return RestoreStatus(**(await threads.run(restores.get, principal, restore_id)).as_json())

    @routes.get("/{restore_id}/report", summary="What did not come back as it was", responses=responses(404))
    @watchers
    async def report(principal: Caller, restore_id: str) -> RestoreReport:
        return RestoreReport(**await threads.run(restores.report, principal, restore_id))

    @routes.post("/{restore_id}/pause", summary="Pause a restore", responses=responses(404, 409))
    @watchers
    async def pause(principal: Caller, restore_id: str) -> RestoreStatus:
        return RestoreStatus(**(await threads.run(restores.pause, principal, restore_id)).as_json())

    @routes.post("/{restore_id}/resume", status_code=202, summary="Go on with a restore", responses=responses(404, 409))
    @restorers
    async def resume(principal: Caller, restore_id: str) -> RestoreStatus:
        return RestoreStatus(**(await threads.run(restores.resume, principal, restore_id)).as_json())

    @routes.post("/{restore_id}/cancel", summary="End a restore", responses=responses(404, 409))
    @watchers
    async def cancel(principal: Caller, restore_id: str) -> RestoreStatus:
        return RestoreStatus(**(await threads.run(restores.end, principal, restore_id)).as_json())

    return routes
