"""/api/v1/analytics: categories, languages, sentiment, security: what analysis says of the caller's mail."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from serve.analytics import filters
from serve.analytics.filters import AnalyticsResponder, Limit, Selecting
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from storage.analytics.analysis_stats import AnalysisStats
from storage.analytics.stats import MailboxStats


class CategoryTotal(BaseModel):
    """Messages of a kind."""

    category: str | None = Field(description="null: not analysed")
    messages: int
    size_bytes: int


class CategoryTotals(BaseModel):
    """Kinds of messages, most messages first."""

    items: list[CategoryTotal]


class LanguageTotal(BaseModel):
    """Messages in a language."""

    language: str | None = Field(description="ISO 639-1; null: not analysed, or it cannot be told")
    messages: int
    size_bytes: int


class LanguageTotals(BaseModel):
    """Languages, most messages first."""

    items: list[LanguageTotal]


class SentimentTotal(BaseModel):
    """Messages that sound alike."""

    label: str | None = Field(description="negative, neutral, positive; null: not analysed, or not in English")
    messages: int
    score: float | None = Field(description="mean, -1 to 1")


class SentimentMonth(BaseModel):
    """How the messages of a month (UTC) sound that could be understood."""

    month: datetime
    messages: int
    score: float = Field(description="mean, -1 to 1")


class Sentiments(BaseModel):
    """How messages sound, and how that went."""

    items: list[SentimentTotal]
    months: list[SentimentMonth]


class SecurityTotals(BaseModel):
    """How many messages have each sign that they are not what they say."""

    messages: int
    analysed: int
    checked: int = Field(description="of which the receiver recorded SPF, DKIM or DMARC")
    spf_failed: int
    dkim_failed: int
    dmarc_failed: int
    lookalikes: int = Field(description="from a domain that imitates a well-known one")
    reply_to_differs: int = Field(description="answers go to another domain")
    name_differs: int = Field(description="the sender's name shows another domain")
    executables: int = Field(description="with a file that would run")
    disguised_files: int = Field(description="with a file whose content is not what its name says")


class Suspicious(BaseModel):
    """A message that may not be what it says."""

    id: str
    received_at: datetime
    sender: str = Field(serialization_alias="from")
    subject: str
    dmarc_failed: bool
    lookalike_of: str
    name_differs: bool
    executables: int
    disguised_files: int


class Security(BaseModel):
    """Signs of deceit, and the newest messages with one."""

    totals: SecurityTotals
    items: list[Suspicious] = Field(description="newest first; answers to another domain alone are no sign")


def router(desk: AnalyticsResponder) -> APIRouter:
    """The routes."""
    routes = filters.router()

    @routes.get("/categories", summary="What kinds of mail there are", response_model=CategoryTotals)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def categories(principal: Caller, about: Selecting) -> Response:
        def make(counting: MailboxStats) -> CategoryTotals:
            return CategoryTotals(items=[CategoryTotal(**row) for row in AnalysisStats(counting).categories()])

        return await desk.answer(principal, "categories", about, make)

    @routes.get("/languages", summary="In which languages mail is written", response_model=LanguageTotals)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def languages(principal: Caller, about: Selecting) -> Response:
        def make(counting: MailboxStats) -> LanguageTotals:
            return LanguageTotals(items=[LanguageTotal(**row) for row in AnalysisStats(counting).languages()])

        return await desk.answer(principal, "languages", about, make)

    @routes.get("/sentiment", summary="How mail sounds", response_model=Sentiments)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def sentiment(principal: Caller, about: Selecting) -> Response:
        def make(counting: MailboxStats) -> Sentiments:
            labels, months = AnalysisStats(counting).sentiment()
            return Sentiments(
                items=[SentimentTotal(**row) for row in labels],
                months=[SentimentMonth(**{**row, "month": row["month"].replace(tzinfo=UTC)}) for row in months],
            )

        return await desk.answer(principal, "sentiment", about, make)

    @routes.get("/security", summary="Mail that may not be what it says", response_model=Security)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def security(principal: Caller, about: Selecting, limit: Limit = 20) -> Response:
        def make(counting: MailboxStats) -> Security:
            totals, signs = AnalysisStats(counting).security(limit)
            return Security(totals=SecurityTotals(**totals), items=[Suspicious(**row) for row in signs])

        return await desk.answer(principal, ("security", limit), about, make)

    return routes
