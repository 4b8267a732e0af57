"""/api/v1/analytics/threads and /newsletters: how the caller and others write to each other."""

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from serve.analytics import filters
from serve.analytics.filters import AnalyticsResponder, Limit, Selecting
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from storage.analytics.correspondence import Correspondence, Responses
from storage.analytics.stats import MailboxStats


class ThreadTotal(BaseModel):
    """A thread, and the messages of it that count."""

    id: str
    subject: str = Field(description="the first message's")
    messages: int
    people: int = Field(description="different senders")
    size_bytes: int
    first_at: datetime
    last_at: datetime


class ResponseTimes(BaseModel):
    """How long somebody took to respond."""

    responses: int
    median_s: float | None = Field(description="seconds; null without a response")
    p90_s: float | None = Field(description="nine of ten took no longer")


class ThreadTotals(BaseModel):
    """Threads. A response is a message that follows, in its thread, a message of the other side."""

    longest: list[ThreadTotal] = Field(description="most messages first")
    mine: ResponseTimes = Field(description="yours: labelled SENT, or from your own address")
    theirs: ResponseTimes


class Newsletter(BaseModel):
    """A mailing list."""

    list_id: str = Field(description="the header List-Id")
    sender_name: str = Field(description="of the newest message")
    sender_address: str
    messages: int
    read: int = Field(description="of the messages: not labelled UNREAD")
    size_bytes: int
    first_at: datetime
    last_at: datetime


class NewsletterList(BaseModel):
    """Mailing lists, most messages first."""

    items: list[Newsletter]


def router(desk: AnalyticsResponder) -> APIRouter:
    """The routes."""
    routes = filters.router()

    @routes.get("/threads", summary="Long threads, and how fast people respond", response_model=ThreadTotals)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def threads(principal: Caller, about: Selecting, limit: Limit = 20) -> Response:
        def make(counting: MailboxStats) -> ThreadTotals:
            found = Correspondence(counting)
            mine, theirs = found.responses()
            longest = [ThreadTotal(**each) for each in found.longest(limit)]
            return ThreadTotals(longest=longest, mine=_times(mine), theirs=_times(theirs))

        return await desk.answer(principal, ("threads", limit), about, make)

    @routes.get("/newsletters", summary="Mailing lists, and how much of them is read", response_model=NewsletterList)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def newsletters(principal: Caller, about: Selecting, limit: Limit = 20) -> Response:
        def make(counting: MailboxStats) -> NewsletterList:
            return NewsletterList(items=[Newsletter(**each) for each in Correspondence(counting).lists(limit)])

        return await desk.answer(principal, ("newsletters", limit), about, make)

    return routes


def _times(found: Responses) -> ResponseTimes:
    return ResponseTimes(responses=found.responses, median_s=found.median_s, p90_s=found.p90_s)
