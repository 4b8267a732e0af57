"""GET /api/v1/analytics/report: the one-page report of a mailbox."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response

from jobs.rendering.html import POLICY
from jobs.rendering.report import report
from serve.analytics import filters
from serve.analytics.filters import AnalyticsResponder, Selecting
from serve.analytics.timeline import Tz
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from storage.analytics.time_zones import zone_of


def router(responder: AnalyticsResponder) -> APIRouter:
    """The route."""
    routes = filters.router()

    @routes.get(
        "/report",
        summary="Your mailbox on one page of charts",
        response_class=Response,
        responses={200: {"content": {"text/html": {}}, "description": "a page without scripts and external resources"}},
    )
    @permits(scope=Scope.ANALYTICS, cost=100)
    async def page(principal: Caller, about: Selecting, tz: Tz = "UTC") -> Response:
        zone = zone_of(tz)
        response = await responder.answer(
            principal,
            ("report", tz),
            about,
            lambda stats: report(principal.email, stats, zone, datetime.now(UTC)).html(),
            "text/html; charset=utf-8",
        )
        response.headers["Content-Security-Policy"] = POLICY
        return response

    return routes
