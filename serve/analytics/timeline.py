"""/api/v1/analytics: mail by time, recipient, domain and label."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from serve.analytics import filters
from serve.analytics.filters import AnalyticsResponder, Limit, Selecting
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from storage.analytics.stats import Bucket, MailboxStats, Side
from storage.analytics.time_zones import zone_of

_BUCKETS = 5000

Tz = Annotated[str, Query(max_length=64, description="IANA time zone of the buckets, such as Europe/Zurich")]


class Recipient(BaseModel):
    """A recipient (To, Cc or Bcc) with totals."""

    address: str
    messages: int
    size_bytes: int
    first_at: datetime
    last_at: datetime


class RecipientList(BaseModel):
    """Recipients, most messages first. A message counts once for each recipient."""

    items: list[Recipient]


class Domain(BaseModel):
    """A domain of addresses with totals."""

    domain: str = Field(description="in lower case; empty: senders without a domain")
    messages: int
    size_bytes: int
    first_at: datetime
    last_at: datetime


class DomainList(BaseModel):
    """Domains, most messages first. A message counts once for each domain."""

    items: list[Domain]


class BucketTotal(BaseModel):
    """Totals of an hour, a day, a week (from Monday), a month, a quarter or a year."""

    start: datetime = Field(description="start of the bucket, in the time zone")
    messages: int
    size_bytes: int
    deleted: int = Field(description="deleted in Gmail")
    unread: int
    sent: int


class Timeline(BaseModel):
    """Buckets that have messages, oldest first."""

    items: list[BucketTotal]


class HourTotal(BaseModel):
    """Totals of one hour of the week."""

    weekday: int = Field(description="1 (Monday) to 7")
    hour: int = Field(description="0 to 23")
    messages: int
    sent: int


class Activity(BaseModel):
    """The hours of the week that have messages, in order."""

    items: list[HourTotal]


class LabelSum(BaseModel):
    """A label with the totals of its messages, deleted messages excluded."""

    id: str
    name: str
    type: str = Field(description="system or user")
    messages: int
    unread: int
    size_bytes: int


class LabelSums(BaseModel):
    """Labels, most messages first; labels without messages have zeros."""

    items: list[LabelSum]


def router(responder: AnalyticsResponder) -> APIRouter:
    """The routes."""
    routes = filters.router()

    @routes.get("/recipients", summary="Recipients of mail", response_model=RecipientList)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def recipients(principal: Caller, about: Selecting, limit: Limit = 20) -> Response:
        def make(stats: MailboxStats) -> RecipientList:
            return RecipientList(items=[Recipient(**row) for row in stats.recipients(limit)])

        return await responder.answer(principal, ("recipients", limit), about, make)

    @routes.get("/domains", summary="Domains of senders or recipients", response_model=DomainList)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def domains(principal: Caller, about: Selecting, side: Side = "senders", limit: Limit = 20) -> Response:
        def make(stats: MailboxStats) -> DomainList:
            return DomainList(items=[Domain(**row) for row in stats.domains(side, limit)])

        return await responder.answer(principal, ("domains", side, limit), about, make)

    @routes.get("/timeline", summary="Mail over time", response_model=Timeline)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def timeline(principal: Caller, about: Selecting, bucket: Bucket = "month", tz: Tz = "UTC") -> Response:
        zone = zone_of(tz)

        def make(stats: MailboxStats) -> Timeline:
            rows = stats.timeline(bucket, zone, _BUCKETS)
            return Timeline(items=[BucketTotal(**row) for row in rows])

        return await responder.answer(principal, ("timeline", bucket, tz), about, make)

    @routes.get("/activity", summary="Mail by hour of the week", response_model=Activity)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def activity(principal: Caller, about: Selecting, tz: Tz = "UTC") -> Response:
        zone = zone_of(tz)

        def make(stats: MailboxStats) -> Activity:
            return Activity(items=[HourTotal(**row) for row in stats.activity(zone)])

        return await responder.answer(principal, ("activity", tz), about, make)

    @routes.get("/labels", summary="Mail by label", response_model=LabelSums)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def labels(principal: Caller, about: Selecting, limit: Limit = 200) -> Response:
        def make(stats: MailboxStats) -> LabelSums:
            rows = stats.labels(limit)
            return LabelSums(items=[LabelSum(id=row.pop("label_id"), **row) for row in rows])

        return await responder.answer(principal, ("labels", limit), about, make)

    return routes
