"""/api/v1/analytics/storage: storage usage of the caller's mailbox."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from serve.analytics import filters
from serve.analytics.filters import AnalyticsResponder, Selecting
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from storage.analytics.stats import MailboxStats
from storage.analytics.storage_usage import Space


class YearSpace(BaseModel):
    """Totals of one year (UTC)."""

    year: int
    messages: int
    size_bytes: int


class LabelSpace(BaseModel):
    """A label with the number of its messages, deleted messages excluded."""

    id: str
    name: str
    messages: int
    size_bytes: int


class DomainSpace(BaseModel):
    """A domain of senders; empty: senders without a domain."""

    domain: str
    messages: int
    size_bytes: int


class LargeMessage(BaseModel):
    """One of the largest messages."""

    id: str
    thread_id: str
    received_at: datetime
    sender: str = Field(serialization_alias="from")
    subject: str
    size_bytes: int


class LargeAttachment(BaseModel):
    """One of the largest attachments."""

    id: str = Field(description="the message's")
    part: str
    received_at: datetime
    filename: str
    content_type: str
    size_bytes: int = Field(description="decoded")
    sha256: str = Field(description="SHA-256 of the decoded bytes, hex")


class Duplicate(BaseModel):
    """Content that occurs more than once, byte for byte."""

    id: str = Field(description="the oldest message with the content")
    sha256: str
    copies: int
    size_bytes: int = Field(description="size of one copy")


class DuplicateFile(Duplicate):
    """An attachment that occurs more than once."""

    filename: str = Field(description="file name of the oldest copy")


class Duplicates(BaseModel):
    """Messages that occur more than once, most redundant bytes first."""

    groups: int
    extra_copies: int = Field(description="copies beyond the first of each")
    extra_bytes: int
    items: list[Duplicate]


class DuplicateFiles(BaseModel):
    """Attachments that occur more than once, most redundant bytes first."""

    groups: int
    extra_copies: int = Field(description="copies beyond the first of each")
    extra_bytes: int
    items: list[DuplicateFile]


class SpaceTaken(BaseModel):
    """Storage usage."""

    messages: int
    size_bytes: int = Field(description="size of the raw messages")
    years: list[YearSpace]
    labels: list[LabelSpace] = Field(description="most messages first")
    domains: list[DomainSpace] = Field(description="senders' domains, most bytes first")
    largest_messages: list[LargeMessage]
    largest_attachments: list[LargeAttachment]
    duplicate_messages: Duplicates
    duplicate_attachments: DuplicateFiles


def router(responder: AnalyticsResponder) -> APIRouter:
    """The route."""
    routes = filters.router()

    @routes.get("/storage", summary="Storage usage", response_model=SpaceTaken)
    @permits(scope=Scope.ANALYTICS, cost=50)
    async def storage(
        principal: Caller,
        about: Selecting,
        limit: Annotated[int, Query(ge=1, le=200, description="limit of each list except the years")] = 20,
    ) -> Response:
        return await responder.answer(principal, ("storage", limit), about, lambda stats: _taken(stats, limit))

    return routes


def _taken(stats: MailboxStats, limit: int) -> SpaceTaken:
    space, years = Space(stats), stats.overview().years
    return SpaceTaken(
        messages=sum(year["messages"] for year in years),
        size_bytes=sum(year["size_bytes"] for year in years),
        years=[YearSpace(**year) for year in years],
        labels=[LabelSpace(id=label["label_id"], **label) for label in stats.labels(limit)],
        domains=[DomainSpace(**domain) for domain in stats.domains("senders", limit, by_size=True)],
        largest_messages=[LargeMessage(**message) for message in space.messages(limit)],
        largest_attachments=[LargeAttachment(**attachment) for attachment in space.attachments(limit)],
        duplicate_messages=Duplicates(**space.duplicate_messages(limit)),
        duplicate_attachments=DuplicateFiles(**space.duplicate_attachments(limit)),
    )
