"""/api/v1/analytics: categories, languages, sentiment and security: analysers' results for the caller's mail."""

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
    """Totals of one category."""

    category: str | None = Field(description="null: not analysed, or no evidence for a category")
    messages: int
    size_bytes: int


class CategoryAgreement(BaseModel):
    """How far the analyser agrees with one category of Gmail."""

    category: str = Field(description="by Gmail's label")
    messages: int = Field(description="that Gmail put there and the analyser saw")
    agreed: int = Field(description="the analyser says the same")
    undecided: int = Field(description="the analyser found no evidence for a category")


class CategoryTotals(BaseModel):
    """Categories, most messages first. Gmail's labels decide before the analyser does."""

    items: list[CategoryTotal]
    agreement: list[CategoryAgreement] = Field(description="of the analyser with Gmail, by Gmail's category")


class LanguageTotal(BaseModel):
    """Totals of one language."""

    language: str | None = Field(description="ISO 639-1; null: not analysed, or no language detected")
    messages: int
    size_bytes: int


class LanguageTotals(BaseModel):
    """Languages, most messages first."""

    items: list[LanguageTotal]


class SentimentTotal(BaseModel):
    """Totals of one sentiment."""

    label: str | None = Field(description="negative, neutral, positive; null: not analysed, or not in English")
    messages: int
    score: float | None = Field(description="mean, -1 to 1")


class SentimentMonth(BaseModel):
    """Sentiment of the messages of one month (UTC) that have a score."""

    month: datetime
    messages: int
    score: float = Field(description="mean, -1 to 1")


class Sentiments(BaseModel):
    """Sentiment of messages, and its change over time."""

    items: list[SentimentTotal]
    months: list[SentimentMonth]


class SecurityTotals(BaseModel):
    """Number of messages with each sign of forgery or phishing."""

    messages: int
    analysed: int
    checked: int = Field(description="messages for which the receiver recorded SPF, DKIM or DMARC")
    spf_failed: int
    dkim_failed: int
    dmarc_failed: int
    lookalikes: int = Field(description="the sender's domain imitates a well-known one")
    reply_to_differs: int = Field(description="replies go to another domain")
    name_differs: int = Field(description="the sender's name shows another domain")
    executables: int = Field(description="an attachment is executable")
    disguised_files: int = Field(description="an attachment's content does not match its name")


class Suspicious(BaseModel):
    """A message with a sign of forgery or phishing."""

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
    """Signs of forgery and phishing, and the newest messages with one."""

    totals: SecurityTotals
    items: list[Suspicious] = Field(description="newest first; a differing Reply-To domain alone is not a sign")


def router(desk: AnalyticsResponder) -> APIRouter:
    """The routes."""
    routes = filters.router()

    @routes.get("/categories", summary="Mail by category", response_model=CategoryTotals)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def categories(principal: Caller, about: Selecting) -> Response:
        def make(counting: MailboxStats) -> CategoryTotals:
            totals, agreement = AnalysisStats(counting).categories()
            return CategoryTotals(
                items=[CategoryTotal(**row) for row in totals],
                agreement=[CategoryAgreement(**row) for row in agreement],
            )

        return await desk.answer(principal, "categories", about, make)

    @routes.get("/languages", summary="Mail by language", response_model=LanguageTotals)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def languages(principal: Caller, about: Selecting) -> Response:
        def make(counting: MailboxStats) -> LanguageTotals:
            return LanguageTotals(items=[LanguageTotal(**row) for row in AnalysisStats(counting).languages()])

        return await desk.answer(principal, "languages", about, make)

    @routes.get("/sentiment", summary="Mail by sentiment", response_model=Sentiments)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def sentiment(principal: Caller, about: Selecting) -> Response:
        def make(counting: MailboxStats) -> Sentiments:
            labels, months = AnalysisStats(counting).sentiment()
            return Sentiments(
                items=[SentimentTotal(**row) for row in labels],
                months=[SentimentMonth(**{**row, "month": row["month"].replace(tzinfo=UTC)}) for row in months],
            )

        return await desk.answer(principal, "sentiment", about, make)

    @routes.get("/security", summary="Mail with signs of forgery or phishing", response_model=Security)
    @permits(scope=Scope.ANALYTICS, cost=20)
    async def security(principal: Caller, about: Selecting, limit: Limit = 20) -> Response:
        def make(counting: MailboxStats) -> Security:
            totals, signs = AnalysisStats(counting).security(limit)
            return Security(totals=SecurityTotals(**totals), items=[Suspicious(**row) for row in signs])

        return await desk.answer(principal, ("security", limit), about, make)

    return routes
