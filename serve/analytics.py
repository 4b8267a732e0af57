"""/api/v1/analytics: the caller's own mail in numbers."""

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, FastAPI, Query, Response
from pydantic import BaseModel, Field

from serve.admission import Caller, Door
from serve.answers import Answers
from serve.config import ServeConfig
from serve.emails import AsOf
from serve.gateway import application
from serve.policies import Scope, permits
from serve.problems import responses
from serve.threads import Threads
from serve.times import Moment
from storage.control import Principal
from storage.conversations import Conversations
from storage.language.plan import EARLIEST, LATEST
from storage.moments import within_reach
from storage.statistics import Span, Statistics

PREFIX = "/api/v1/analytics"
_LABELS = 200

From = Annotated[Moment | None, Query(alias="from", description="received then or later (RFC 3339)")]
To = Annotated[Moment | None, Query(description="received before (RFC 3339)")]


class Reader(Protocol):
    """One user's mail. `storage.reader.MailboxReader` is one."""

    @property
    def statistics(self) -> Statistics: ...

    @property
    def conversations(self) -> Conversations: ...

    def version(self) -> str | None: ...


class Readers(Protocol):
    """Makes a reader of a principal's own mail. `serve.mailboxes.Mailboxes` is one."""

    def reader(self, principal: Principal) -> Reader: ...


class Year(BaseModel):
    """A year (UTC) of mail."""

    year: int
    messages: int
    size_bytes: int


class LabelTotal(BaseModel):
    """A label, and what carries it now."""

    id: str
    name: str
    messages: int
    unread: int


class AttachmentTotal(BaseModel):
    """What is attached to all that was ever stored."""

    messages: int = Field(description="messages with files")
    files: int
    size_bytes: int = Field(description="of the decoded files")


class Overview(BaseModel):
    """A mailbox in numbers."""

    messages: int = Field(description="backed up, deleted ones too")
    size_bytes: int
    deleted: int = Field(description="deleted in Gmail")
    unread: int
    sent: int
    first_at: datetime | None
    last_at: datetime | None
    years: list[Year]
    labels: list[LabelTotal] = Field(description="as they are now, most messages first")
    attachments: AttachmentTotal


class Sender(BaseModel):
    """Somebody who writes to you."""

    address: str
    name: str = Field(description="as the newest message has it")
    messages: int
    size_bytes: int
    first_at: datetime
    last_at: datetime


class SenderList(BaseModel):
    """Senders of all that was ever stored, most messages first."""

    items: list[Sender]


def create(mailboxes: Readers, answers: Answers, door: Door, threads: Threads, config: ServeConfig) -> FastAPI:
    """The application."""
    router = APIRouter(prefix=PREFIX, tags=["analytics"], responses=responses(401, 422, 503))

    async def answered(principal: Principal, question: Hashable, make: Callable[[Reader], BaseModel]) -> Response:
        def ask() -> bytes:
            reader = mailboxes.reader(principal)
            return answers.of(
                principal.user_id, reader, question, lambda: make(reader).model_dump_json(by_alias=True).encode()
            )

        return Response(await threads.run(ask), media_type="application/json")

    @router.get("/overview", summary="Your mailbox in numbers", response_model=Overview)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def overview(principal: Caller, since: From = None, to: To = None, as_of: AsOf = None) -> Response:
        span, moment = _span(since, to), as_of and within_reach(as_of)
        question = ("overview", span, moment)
        return await answered(principal, question, lambda reader: _overview(reader, span, moment))

    @router.get("/senders", summary="Who writes to you", response_model=SenderList)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def senders(
        principal: Caller,
        since: From = None,
        to: To = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    ) -> Response:
        span = _span(since, to)

        def make(reader: Reader) -> SenderList:
            return SenderList(items=[Sender(**found) for found in reader.statistics.senders(span, limit)])

        return await answered(principal, ("senders", span, limit), make)

    return application("analytics", [router], config, door)


def _span(since: datetime | None, to: datetime | None) -> Span:
    return Span(within_reach(since) if since else EARLIEST, within_reach(to) if to else LATEST)


def _overview(reader: Reader, span: Span, as_of: datetime | None) -> Overview:
    years = reader.statistics.years(span, as_of)
    labels = sorted(reader.conversations.labels(), key=lambda label: (-label.messages, label.id))[:_LABELS]
    return Overview(
        messages=sum(year["messages"] for year in years),
        size_bytes=sum(year["size_bytes"] for year in years),
        deleted=sum(year["deleted"] for year in years),
        unread=sum(year["unread"] for year in years),
        sent=sum(year["sent"] for year in years),
        first_at=years[0]["first_at"] if years else None,
        last_at=years[-1]["last_at"] if years else None,
        years=[Year(year=each["year"], messages=each["messages"], size_bytes=each["size_bytes"]) for each in years],
        labels=[LabelTotal(id=each.id, name=each.name, messages=each.messages, unread=each.unread) for each in labels],
        attachments=AttachmentTotal(**reader.statistics.attachments(span)),
    )
