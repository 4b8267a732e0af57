"""/api/v1/sync: begin, watch and stop the backup of the caller's own mailbox.

Status joins what is committed (Postgres) with what the shard's owner is doing now; when the owner does not answer,
the latter is null and the rest still holds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, HTTPException, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from actors.decisions import Mode
from actors.forecast import Forecast
from serve.auth.authorization import Caller
from serve.auth.policies import Role, Scope, permits
from serve.config import ServeConfig
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.http.sse import LastEventId, Streams
from serve.settings import PREFIXES
from serve.sync.ports import Owners, OwnerUnavailable
from storage.control.accounts import MailboxPaused
from storage.control.principal import Principal
from storage.errors import BackupError
from storage.mailbox.failures import Failed
from storage.model.message_id import from_hex
from storage.model.records import MailboxRecord, Phase, User
from storage.model.wait_reasons import WaitKind, WaitReason

PREFIX = PREFIXES["sync"]

_LOG = logging.getLogger(__name__)
_LIVE = ("active", "listed", "fetched", "fetched_bytes", "throttled", "failed")


class StateReader(Protocol):
    """A mailbox's committed state. `storage.reader.MailboxReader` is one."""

    def state(self) -> MailboxRecord | None: ...

    def failures(self, limit: int) -> list[Failed]: ...

    def received(self, message_id: int) -> bytes | None: ...


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


class Failure(BaseModel):
    """A message that is not as Gmail has it."""

    id: str = Field(description="Gmail's id, or what stood in its place")
    kind: str = Field(description="missing; check or suspect: stored, and perhaps deleted at Gmail; or unreadable")
    since: datetime
    attempts: int
    next_attempt_at: datetime | None = Field(description="null: only a comparison with Gmail finds it again")
    reason: str
    received_bytes: int | None = Field(
        description="size, compressed, of what Gmail answered about it: see /received; null: nothing is kept"
    )


class FailureList(BaseModel):
    """What is tried next comes first."""

    items: list[Failure]


class SyncRequest(BaseModel):
    """What to do."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode = Field(
        Mode.INCREMENTAL,
        description="list all, follow what changed, or compare all and mend it",
    )


class QuotaToday(BaseModel):
    """Quota units of the project's day, which Google counts from midnight to midnight, Pacific time."""

    day: str
    spent: int
    per_minute: float = Field(description="units, since the day's first count")
    by_midnight: int = Field(description="units that the day will have cost at this pace")
    threshold: int | None = Field(description="units a day that are free of charge; null: no limit")
    paced: bool = Field(description="whether units beyond the free ones wait for the next day")
    reserved: int = Field(description="units of the day that were handed out, with those that were lost unspent")
    free_left: int | None
    billed_by_midnight: int = Field(description="units that Google will bill at this pace")


class Today(Protocol):
    """The project's units of this day. Blocking."""

    def __call__(self) -> Forecast: ...


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
    failed: int | None = Field(description="messages that wait for another try: see /failures")
    waits: list[Waiting] = Field(description="what holds the backup back now")
    quota: QuotaToday | None = Field(description="the project's quota units today; null unless you are an operator")


class MailboxSync:
    """Commands to the owner of the caller's mailbox, and the state that every command answers with."""

    def __init__(
        self,
        mailboxes: StateReaders,
        owners: Owners,
        pauses: Pauses,
        threads: BlockingExecutor,
        timeout_s: float,
        today: Today,
    ) -> None:
        """`timeout_s`: how long an owner may take to report what it is doing."""
        self._today = today
        self._mailboxes, self._owners, self._pauses = mailboxes, owners, pauses
        self._threads, self._timeout_s = threads, timeout_s

    async def state(self, principal: Principal) -> SyncStatus:
        """What is committed, what the owner is doing, and what holds the backup back."""
        committed, live, paused, waits = await asyncio.gather(
            self._threads.run(lambda: self._mailboxes.reader(principal).state()),
            self._live(principal),
            self._threads.run(self._pauses.is_paused, principal.user_id),
            self._threads.run(self._pauses.waits, principal.shard_id, principal.user_id),
        )
        return _status(committed, live, paused, waits, await self._quota(principal))

    async def _quota(self, principal: Principal) -> QuotaToday | None:
        """The project's day, which is no owner's of a mailbox to know."""
        if principal.role != Role.OPERATOR:
            return None
        try:
            found = (await self._threads.run(self._today)).as_json()
        except BackupError as exc:
            _LOG.warning("The day's quota is not known: %s", exc)
            return None
        return QuotaToday(**{name: found[name] for name in QuotaToday.model_fields})

    async def failures(self, principal: Principal, limit: int) -> list[Failed]:
        """Messages that could not be backed up."""
        return await self._threads.run(lambda: self._mailboxes.reader(principal).failures(limit))

    async def received(self, principal: Principal, message_id: int) -> bytes | None:
        """What Gmail answered about a message that could not be stored; None: nothing of it is kept."""
        return await self._threads.run(lambda: self._mailboxes.reader(principal).received(message_id))

    async def begin(self, principal: Principal, mode: Mode) -> SyncStatus:
        """Request a sync.

        Raises:
            MailboxPaused, OwnerUnavailable.
        """
        await _owner_call(principal, self._owners.request(_user(principal), mode))
        return await self.state(principal)

    async def stop(self, principal: Principal) -> SyncStatus:
        """Stop the sync until the next request. Raises OwnerUnavailable."""
        await _owner_call(principal, self._owners.stop(_user(principal)))
        return await self.state(principal)

    async def pause(self, principal: Principal) -> SyncStatus:
        """Pause the backup; while the owner does not answer, the pause begins with the next owner."""
        await self._threads.run(self._pauses.pause, principal.user_id, True, principal.email)
        try:
            await _owner_call(principal, self._owners.pause(_user(principal)))
        except OwnerUnavailable as exc:
            _LOG.warning("The pause begins with the next owner: %s", exc)
        return await self.state(principal)

    async def resume(self, principal: Principal) -> SyncStatus:
        """Resume the backup and request a sync. Raises OwnerUnavailable."""
        await self._threads.run(self._pauses.pause, principal.user_id, False, principal.email)
        await _owner_call(principal, self._owners.unpause(_user(principal)))
        return await self.begin(principal, Mode.INCREMENTAL)

    async def _live(self, principal: Principal) -> dict[str, Any] | None:
        """What the owner is doing; {} nothing; None when it does not answer."""
        try:
            return await asyncio.wait_for(self._owners.status(_user(principal)), self._timeout_s) or {}
        except (BackupError, TimeoutError) as exc:
            _LOG.warning("The owner of shard %d gives no status: %s", principal.shard_id, exc or type(exc).__name__)
            return None


def router(
    mailboxes: StateReaders,
    owners: Owners,
    pauses: Pauses,
    streams: Streams,
    threads: BlockingExecutor,
    config: ServeConfig,
    today: Today,
) -> APIRouter:
    """The routes that begin, stop, pause and watch the sync of a mailbox."""
    sync = MailboxSync(mailboxes, owners, pauses, threads, config.probe_timeout_s, today)
    routes = APIRouter(prefix=PREFIX, tags=["sync"], responses=responses(401, 422, 503))
    _add_commands(routes, sync)
    _add_reports(routes, sync, streams)
    return routes


def _add_commands(routes: APIRouter, sync: MailboxSync) -> None:
    @routes.post("", status_code=202, summary="Begin a sync of your mailbox")
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.SYNC)
    async def begin(principal: Caller, body: SyncRequest) -> SyncStatus:
        return await sync.begin(principal, body.mode)

    @routes.post("/stop", summary="Stop the sync of your mailbox until the next request")
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.SYNC)
    async def stop(principal: Caller) -> SyncStatus:
        return await sync.stop(principal)

    @routes.post("/pause", summary="Have the backup of your mailbox rest until you resume it")
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.SYNC)
    async def pause(principal: Caller) -> SyncStatus:
        return await sync.pause(principal)

    @routes.post("/resume", status_code=202, summary="Go on with the backup of your mailbox")
    @permits(Role.OWNER, Role.OPERATOR, scope=Scope.SYNC)
    async def resume(principal: Caller) -> SyncStatus:
        return await sync.resume(principal)


def _add_reports(routes: APIRouter, sync: MailboxSync, streams: Streams) -> None:
    @routes.get("/failures", summary="What of your mailbox could not be backed up, and why")
    @permits(scope=Scope.SYNC)
    async def failures(
        principal: Caller, limit: Annotated[int, Query(ge=1, le=500, description="messages at most")] = 100
    ) -> FailureList:
        failed = await sync.failures(principal, limit)
        return FailureList(
            items=[Failure(**{name: getattr(one, name) for name in Failure.model_fields}) for one in failed]
        )

    @routes.get(
        "/failures/{email_id}/received",
        summary="What Gmail answered about a message that could not be stored, unchanged",
        response_class=Response,
        responses={200: {"content": {"application/json": {}}}, **responses(404)},
    )
    @permits(scope=Scope.MAIL, cost=2)
    async def received(
        principal: Caller, email_id: Annotated[str, Path(max_length=200, description="Gmail's id, hex")]
    ) -> Response:
        try:
            body = await sync.received(principal, from_hex(email_id))
        except ValueError as exc:
            raise HTTPException(404) from exc
        if body is None:
            raise HTTPException(404)
        return Response(body, media_type="application/json", headers={"Content-Disposition": "attachment"})

    @routes.get("/status", summary="Where your mailbox stands")
    @permits(scope=Scope.SYNC)
    async def status(principal: Caller) -> SyncStatus:
        return await sync.state(principal)

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
            lambda: sync.state(principal),
            lambda found: not follow and isinstance(found, SyncStatus) and found.active is False,
            last_event_id,
        )


def _user(principal: Principal) -> User:
    return User(principal.user_id, principal.email, principal.shard_id)


async def _owner_call(principal: Principal, call: Awaitable[None]) -> None:
    """Whatever keeps an owner from obeying is temporary to a client, but for a pause."""
    try:
        await call
    except MailboxPaused:
        raise
    except BackupError as exc:
        raise OwnerUnavailable(principal.shard_id, str(exc)) from exc


def _status(
    committed: MailboxRecord | None,
    live: dict[str, Any] | None,
    paused: bool,
    waits: Sequence[WaitReason],
    quota: QuotaToday | None,
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
        quota=quota,
        **{name: known.get(name, nothing) for name in _LIVE},
    )
