"""/api/v1/analytics/threads and /newsletters: response times, long threads, mailing lists."""

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
    """A thread with the totals of its selected messages."""

    id: str
    subject: str = Field(description="subject of the first message")
    messages: int
    people: int = Field(description="different senders")
    size_bytes: int
    first_at: datetime
    last_at: datetime


class ResponseTimes(BaseModel):
    """One side's response times."""

    responses: int
    median_s: float | None = Field(description="seconds; null without a response")
    p90_s: float | None = Field(description="seconds within which nine of ten responses came")


class ThreadTotals(BaseModel):
    """Threads. A response is a message that follows a message of the other side in its thread."""

    longest: list[ThreadTotal] = Field(description="most messages first")
    mine: ResponseTimes = Field(description="yours: labelled SENT, or from your own address")
    theirs: ResponseTimes


class Newsletter(BaseModel):
    """A mailing list."""

    list_id: str = Field(description="the header List-Id")
    sender_name: str = Field(description="sender of the newest message")
    sender_address: str
    messages: int
    read: int = Field(description="number of messages without the label UNREAD")
    size_bytes: int
    first_at: datetime
    last_at: datetime


class NewsletterList(BaseModel):
    """Mailing lists, most messages first."""

    items: list[Newsletter]


def router(responder: AnalyticsResponder) -> APIRouter:
    """The routes."""
    routes = filters.router()

    @routes.get("/threads", summary="Long threads and response times", response_model=ThreadTotals)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def threads(principal: Caller, about: Selecting, limit: Limit = 20) -> Response:
        def make(stats: MailboxStats) -> ThreadTotals:
            correspondence = Correspondence(stats)
            mine, theirs = correspondence.responses()
            longest = [ThreadTotal(**thread) for thread in correspondence.longest(limit)]
            return ThreadTotals(longest=longest, mine=_times(mine), theirs=_times(theirs))

        return await responder.answer(principal, ("threads", limit), about, make)

    @routes.get("/newsletters", summary="Mailing lists, and the share that was read", response_model=NewsletterList)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def newsletters(principal: Caller, about: Selecting, limit: Limit = 20) -> Response:
        def make(stats: MailboxStats) -> NewsletterList:
            return NewsletterList(items=[Newsletter(**row) for row in Correspondence(stats).lists(limit)])

        return await responder.answer(principal, ("newsletters", limit), about, make)

    return routes


def _times(side: Responses) -> ResponseTimes:
    return ResponseTimes(responses=side.responses, median_s=side.median_s, p90_s=side.p90_s)
