"""/api/v1/analytics: overview and senders of the caller's own mail."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from serve.analytics import analysis, correspondence, filters, report, storage_usage, timeline
from serve.analytics.filters import AnalyticsResponder, Selecting
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.mail.answers import MailAnswers
from serve.mail.ports import StatsReader
from storage.analytics.stats import MailboxStats

PREFIX = filters.PREFIX
_LABELS = 200


class Year(BaseModel):
    """Totals of one year (UTC)."""

    year: int
    messages: int
    size_bytes: int


class LabelTotal(BaseModel):
    """A label with the number of its messages, deleted messages excluded."""

    id: str
    name: str
    messages: int
    unread: int


class AttachmentTotal(BaseModel):
    """Totals of attachments."""

    messages: int = Field(description="messages with attachments")
    files: int
    size_bytes: int = Field(description="size of the decoded attachments")


class Overview(BaseModel):
    """Totals of a mailbox."""

    messages: int = Field(description="backed up, including deleted messages")
    size_bytes: int
    deleted: int = Field(description="deleted in Gmail")
    unread: int
    sent: int
    first_at: datetime | None
    last_at: datetime | None
    years: list[Year]
    labels: list[LabelTotal] = Field(description="most messages first, at most 200")
    attachments: AttachmentTotal


class Sender(BaseModel):
    """A sender with totals."""

    address: str
    name: str = Field(description="display name in the newest message")
    messages: int
    size_bytes: int
    first_at: datetime
    last_at: datetime


class SenderList(BaseModel):
    """Senders, most messages first."""

    items: list[Sender]


def routers(answers: MailAnswers[StatsReader]) -> list[APIRouter]:
    """The routers of all analytics modules, which share one responder."""
    router, desk = filters.router(), AnalyticsResponder(answers)

    @router.get("/overview", summary="Totals of your mailbox", response_model=Overview)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def overview(principal: Caller, about: Selecting) -> Response:
        return await desk.answer(principal, "overview", about, _overview)

    @router.get("/senders", summary="Senders of your mail", response_model=SenderList)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def senders(
        principal: Caller, about: Selecting, limit: Annotated[int, Query(ge=1, le=1000)] = 20
    ) -> Response:
        def make(counting: MailboxStats) -> SenderList:
            return SenderList(items=[Sender(**row) for row in counting.senders(limit)])

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
        years=[Year(year=year["year"], messages=year["messages"], size_bytes=year["size_bytes"]) for year in years],
        labels=[
            LabelTotal(id=label["label_id"], name=label["name"], messages=label["messages"], unread=label["unread"])
            for label in labels
        ],
        attachments=AttachmentTotal(messages=files.messages, files=files.files, size_bytes=files.size_bytes),
    )
