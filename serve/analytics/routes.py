"""/api/v1/analytics: the caller's own mail in numbers."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from serve.analytics import analysis, correspondence, filters, report, storage_usage, timeline
from serve.analytics.filters import AnalyticsResponder, Readers, Selecting
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.executor import BlockingExecutor
from serve.http.response_cache import ResponseCache
from storage.analytics.stats import MailboxStats

PREFIX = filters.PREFIX
_LABELS = 200


class Year(BaseModel):
    """A year (UTC) of mail."""

    year: int
    messages: int
    size_bytes: int


class LabelTotal(BaseModel):
    """A label, and which of the messages carry it, deleted ones apart."""

    id: str
    name: str
    messages: int
    unread: int


class AttachmentTotal(BaseModel):
    """What is attached to the messages."""

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
    labels: list[LabelTotal] = Field(description="most messages first, 200 at most")
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
    """Senders, most messages first."""

    items: list[Sender]


def routers(mailboxes: Readers, answers: ResponseCache, threads: BlockingExecutor) -> list[APIRouter]:
    """The routers of statistics: this module's and its neighbours', which share one desk."""
    router, desk = filters.router(), AnalyticsResponder(mailboxes, answers, threads)

    @router.get("/overview", summary="Your mailbox in numbers", response_model=Overview)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def overview(principal: Caller, about: Selecting) -> Response:
        return await desk.answer(principal, "overview", about, _overview)

    @router.get("/senders", summary="Who writes to you", response_model=SenderList)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def senders(
        principal: Caller, about: Selecting, limit: Annotated[int, Query(ge=1, le=1000)] = 20
    ) -> Response:
        def make(counting: MailboxStats) -> SenderList:
            return SenderList(items=[Sender(**found) for found in counting.senders(limit)])

        return await desk.answer(principal, ("senders", limit), about, make)

    parts = (timeline, storage_usage, correspondence, analysis, report)
    return [router, *(part.router(desk) for part in parts)]


def _overview(counting: MailboxStats) -> Overview:
    overview = counting.overview()
    years = overview.years
    labels, files = counting.labels(_LABELS), counting.attachments()
    return Overview(
        messages=sum(year["messages"] for year in years),
        size_bytes=sum(year["size_bytes"] for year in years),
        deleted=sum(year["deleted"] for year in years),
        unread=sum(year["unread"] for year in years),
        sent=sum(year["sent"] for year in years),
        first_at=overview.first_at,
        last_at=overview.last_at,
        years=[Year(year=each["year"], messages=each["messages"], size_bytes=each["size_bytes"]) for each in years],
        labels=[
            LabelTotal(id=each["label_id"], name=each["name"], messages=each["messages"], unread=each["unread"])
            for each in labels
        ],
        attachments=AttachmentTotal(messages=files.messages, files=files.files, size_bytes=files.size_bytes),
    )
