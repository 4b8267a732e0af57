"""/api/v1/admin/analytics: all mailboxes together, for operators. Counts alone: no subject, no address, no name."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from serve.auth.policies import Role, Scope, permits
from serve.http.datetimes import Day
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from storage.analytics.selection import Span
from storage.fleet.stats import DayBucket, Totals
from storage.model.time_range import EARLIEST, LATEST, clamp

_BUCKETS = 5000

_From = Annotated[Day | None, Query(alias="from", description="received on this day (UTC) or later")]
_To = Annotated[Day | None, Query(description="received before this day (UTC)")]


class Total(BaseModel):
    """All mail of a time."""

    messages: int = Field(description="backed up, deleted ones too")
    size_bytes: int
    deleted: int = Field(description="deleted in Gmail")
    unread: int
    sent: int


class TotalYear(Total):
    """All mail of a year (UTC)."""

    year: int


class TotalOverview(Total):
    """All mail in numbers."""

    years: list[TotalYear]


class TotalBucket(Total):
    """All mail of a day, a week (from Monday), a month, a quarter or a year (UTC)."""

    start: datetime


class TotalTimeline(BaseModel):
    """Buckets that have mail, oldest first."""

    items: list[TotalBucket]


class SizeClass(BaseModel):
    """Mailboxes with at least so many messages, and fewer than ten times as many."""

    at_least: int
    mailboxes: int
    messages: int
    size_bytes: int


class ShardSpace(BaseModel):
    """A shard, and what is in it."""

    shard: int
    mailboxes: int
    messages: int
    segments: int
    size_bytes: int = Field(description="of mail, before compression")
    archive_bytes: int = Field(description="of the archive's files")


class TotalSpace(BaseModel):
    """What takes the space."""

    mailboxes: int
    messages: int
    size_bytes: int = Field(description="of mail, before compression")
    archive_bytes: int = Field(description="of the archive's files")
    sizes: list[SizeClass] = Field(description="small mailboxes first")
    shards: list[ShardSpace]


class TotalHour(BaseModel):
    """The mail of one hour of the week (UTC)."""

    weekday: int = Field(description="1, Monday, to 7")
    hour: int = Field(description="0 to 23")
    messages: int
    sent: int


class TotalActivity(BaseModel):
    """The hours of the week that have mail, in order."""

    items: list[TotalHour]


class TotalLabel(BaseModel):
    """One of Gmail's own labels."""

    label: str
    messages: int
    unread: int
    size_bytes: int


class TotalLabels(BaseModel):
    """Gmail's own labels; people's own are theirs to name."""

    items: list[TotalLabel]


class Judged(BaseModel):
    """Messages of which analysis says the same."""

    what: str | None = Field(description="null: it could not tell, or an analyser was not asked")
    messages: int


class AllJudged(BaseModel):
    """Of all mail that was analysed, most messages first. Security: signs, of which a message may have several."""

    items: list[Judged]


Verdict = Literal["categories", "languages", "sentiment", "security"]


def router(totals: Totals, threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/admin/analytics", tags=["admin"], responses=responses(401, 403, 422, 503))
    permitted = permits(Role.OPERATOR, scope=Scope.ANALYTICS, cost=50)

    @routes.get("/overview", summary="All mailboxes in numbers, up to half a minute ago")
    @permitted
    async def overview(since: _From = None, to: _To = None) -> TotalOverview:
        rows = await threads.run(totals.by_time, "year", _span(since, to), _BUCKETS)
        names = Total.model_fields
        return TotalOverview(
            **{name: sum(row[name] for row in rows) for name in names},
            years=[TotalYear(year=row["start"].year, **{name: row[name] for name in names}) for row in rows],
        )

    @routes.get("/timeline", summary="How much mail came when, in all mailboxes, up to half a minute ago")
    @permitted
    async def timeline(since: _From = None, to: _To = None, bucket: DayBucket = "month") -> TotalTimeline:
        rows = await threads.run(totals.by_time, bucket, _span(since, to), _BUCKETS)
        return TotalTimeline(items=[TotalBucket(**row) for row in rows])

    @routes.get("/activity", summary="When in the week mail comes, in all mailboxes, up to half a minute ago")
    @permitted
    async def activity() -> TotalActivity:
        return TotalActivity(items=[TotalHour(**row) for row in await threads.run(totals.by_hour)])

    @routes.get("/labels", summary="What carries Gmail's labels, in all mailboxes, up to half a minute ago")
    @permitted
    async def labels() -> TotalLabels:
        return TotalLabels(items=[TotalLabel(**row) for row in await threads.run(totals.by_label)])

    @routes.get("/analysis/{question}", summary="What analysis says of all mail, up to half a minute ago")
    @permitted
    async def analysis(question: Verdict) -> AllJudged:
        return AllJudged(items=[Judged(**row) for row in await threads.run(totals.judged, question)])

    @routes.get("/storage", summary="What takes the space in all mailboxes, up to half a minute ago")
    @permitted
    async def storage() -> TotalSpace:
        sizes, shards = await threads.run(totals.sizes), await threads.run(totals.shards)
        return TotalSpace(
            mailboxes=sum(row["mailboxes"] for row in sizes),
            messages=sum(row["messages"] for row in sizes),
            size_bytes=sum(row["size_bytes"] for row in shards),
            archive_bytes=sum(row["stored_bytes"] for row in shards),
            sizes=[SizeClass(**row) for row in sizes],
            shards=[
                ShardSpace(
                    shard=row["shard_id"],
                    mailboxes=row["users"],
                    messages=row["messages"],
                    segments=row["segments"],
                    size_bytes=row["size_bytes"],
                    archive_bytes=row["stored_bytes"],
                )
                for row in shards
            ],
        )

    return routes


def _span(since: date | None, to: date | None) -> Span:
    first_at = clamp(datetime.combine(since, time(), UTC)) if since else EARLIEST
    return Span(first_at, clamp(datetime.combine(to, time(), UTC)) if to else LATEST)
