"""/api/v1/sync: begin, watch and stop the backup of the caller's own mailbox.

Status joins what is committed (Postgres) with what the shard's owner is doing now; when the owner does not answer,
the latter is null and the rest still holds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from actors.decisions import Mode
from serve.auth.authorization import Caller
from serve.auth.policies import Role, Scope, permits
from serve.config import ServeConfig
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.http.sse import LastEventId, Streams
from serve.sync.ports import Owners, OwnerUnavailable
from storage.control.accounts import MailboxPaused
from storage.control.principal import Principal
from storage.errors import BackupError
from storage.model.records import MailboxRecord, Phase, User
from storage.model.wait_reasons import WaitKind, WaitReason

PREFIX = "/api/v1/sync"

_LOG = logging.getLogger(__name__)
_LIVE = ("active", "listed", "fetched", "fetched_bytes", "throttled")


class StateReader(Protocol):
    """A mailbox's committed state. `storage.reader.MailboxReader` is one."""

    def state(self) -> MailboxRecord | None: ...


class StateReaders(Protocol):
    """Makes a reader of a principal's own state. `serve.mail.readers.Mailboxes` is one."""

    def reader(self, principal: Principal) -> StateReader: ...


class Pauses(Protocol):
    """Remembers which mailboxes rest. `storage.control.Control` does. Blocking."""

    def pause(self, user_id: int, paused: bool, by: str | None = None) -> None: ...

    def is_paused(self, user_id: int) -> bool: ...

    def waits(self, shard_id: int, user_id: int) -> list[WaitReason]: ...


class Waiting(BaseModel):
    """Why a backup waits."""

    kind: WaitKind
    detail: str
    since: datetime
    attempts: int = Field(description="tries that failed since then")
    next_attempt_at: datetime | None
    remedy: str = Field(description="what to do about it")


class SyncRequest(BaseModel):
    """What to do."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode = Field(Mode.INCREMENTAL, description="list everything, or follow what changed")


class SyncStatus(BaseModel):
    """Where a mailbox stands. What only the shard's owner knows is null while it does not answer."""

    phase: Phase
    messages: int = Field(description="messages stored")
    size_bytes: int = Field(description="of the stored messages")
    estimate: int = Field(description="messages that Gmail says there are")
    synced_at: datetime | None = Field(description="when the mailbox was last complete")
    error: str | None
    paused: bool = Field(description="whether its backup rests until you resume it")
    active: bool | None = Field(description="whether a sync is under way")
    listed: int | None = Field(description="ids listed by the sync under way")
    fetched: int | None = Field(description="messages fetched by the sync under way, committed or not yet")
    fetched_bytes: int | None
    throttled: int | None = Field(description="times that Gmail asked for patience")
    waits: list[Waiting] = Field(description="what holds the backup back now")


def router(
    mailboxes: StateReaders,
    owners: Owners,
    pauses: Pauses,
    streams: Streams,
    threads: BlockingExecutor,
    config: ServeConfig,
) -> APIRouter:
    """The routes that begin, stop, pause and watch the sync of a mailbox."""
    routes = APIRouter(prefix=PREFIX, tags=["sync"], responses=responses(401, 422, 503))

    async def state(principal: Principal) -> SyncStatus:
        committed, live, paused, waits = await asyncio.gather(
            threads.run(lambda: mailboxes.reader(principal).state()),
            _live(owners, principal, config.probe_timeout_s),
            threads.run(pauses.is_paused, principal.user_id),
            threads.run(pauses.waits, principal.shard_id, principal.user_id),
        )
        return _status(committed, live, paused, waits)

    @routes.post("", status_code=202, summary="Begin a sync of your mailbox")
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.SYNC)
    async def begin(principal: Caller, body: SyncRequest) -> SyncStatus:
        await _told(principal, owners.request(_user(principal), body.mode))
        return await state(principal)

    @routes.get("/status", summary="Where your mailbox stands")
    @permits(scope=Scope.SYNC)
    async def status(principal: Caller) -> SyncStatus:
        return await state(principal)

    @routes.post("/stop", summary="Stop the sync of your mailbox until the next request")
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.SYNC)
    async def stop(principal: Caller) -> SyncStatus:
        await _told(principal, owners.stop(_user(principal)))
        return await state(principal)

    @routes.post("/pause", summary="Have the backup of your mailbox rest until you resume it")
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.SYNC)
    async def pause(principal: Caller) -> SyncStatus:
        await threads.run(pauses.pause, principal.user_id, True, principal.email)
        try:
            await _told(principal, owners.pause(_user(principal)))
        except OwnerUnavailable as exc:
            _LOG.warning("The pause counts from the next owner on: %s", exc)
        return await state(principal)

    @routes.post("/resume", status_code=202, summary="Go on with the backup of your mailbox")
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.SYNC)
    async def resume(principal: Caller) -> SyncStatus:
        await threads.run(pauses.pause, principal.user_id, False, principal.email)
        await _told(principal, owners.unpause(_user(principal)))
        await _told(principal, owners.request(_user(principal), Mode.INCREMENTAL))
        return await state(principal)

    @routes.get(
        "/progress",
        summary="Where your mailbox stands, as server-sent events",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}}, **responses(429)},
    )
    @permits(scope=Scope.SYNC, cost=5, streaming=True)
    async def progress(
        principal: Caller,
        follow: Annotated[bool, Query(description="go on after the sync under way has ended")] = False,
        last_event_id: LastEventId = None,
    ) -> Response:
        return streams.response(
            principal.user_id,
            ("mailbox", principal.user_id),
            lambda: state(principal),
            lambda found: not follow and isinstance(found, SyncStatus) and found.active is False,
            last_event_id,
        )

    return routes


def _user(principal: Principal) -> User:
    return User(principal.user_id, principal.email, principal.shard_id)


async def _told(principal: Principal, call: Awaitable[None]) -> None:
    """Whatever keeps an owner from obeying is temporary to a client, but for a pause."""
    try:
        await call
    except MailboxPaused:
        raise
    except BackupError as exc:
        raise OwnerUnavailable(principal.shard_id, str(exc)) from exc


async def _live(owners: Owners, principal: Principal, timeout_s: float) -> dict[str, Any] | None:
    """What the owner is doing; {} nothing; None when it does not answer."""
    try:
        return await asyncio.wait_for(owners.status(_user(principal)), timeout_s) or {}
    except (BackupError, TimeoutError) as exc:
        _LOG.warning("The owner of shard %d gives no status: %s", principal.shard_id, exc or type(exc).__name__)
        return None


def _status(
    committed: MailboxRecord | None, live: dict[str, Any] | None, paused: bool, waits: Sequence[WaitReason]
) -> SyncStatus:
    known = live or {}
    nothing = None if live is None else 0
    return SyncStatus(
        phase=Phase(known.get("phase") or (committed.phase if committed else Phase.NEW)),
        messages=committed.messages if committed else 0,
        size_bytes=committed.size_bytes if committed else 0,
        estimate=known.get("estimate") or (committed.estimate if committed else 0),
        synced_at=committed.synced_at if committed else None,
        error=known.get("error", committed.error if committed else None),
        paused=paused,
        waits=[Waiting.model_validate(reason.as_json()) for reason in waits],
        **{name: known.get(name, nothing) for name in _LIVE},
    )
