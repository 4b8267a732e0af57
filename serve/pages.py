"""GET /api/v1/analytics/report: the mailbox on one page."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response

from serve.admission import Caller
from serve.analytics import PREFIX
from serve.asking import Asked, Desk, Zone
from serve.page import POLICY
from serve.policies import Scope, permits
from serve.problems import responses
from serve.report import report


def router(desk: Desk) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix=PREFIX, tags=["analytics"], responses=responses(400, 401, 422, 503))

    @routes.get(
        "/report",
        summary="Your mailbox on one page of charts",
        response_class=Response,
        responses={200: {"content": {"text/html": {}}, "description": "a page that loads nothing and runs nothing"}},
    )
    @permits(scope=Scope.ANALYTICS, cost=100)
    async def page(principal: Caller, asked: Asked, tz: Zone = "UTC") -> Response:
        made = await desk.answer(
            principal,
            asked,
            ("report", tz),
            lambda reader, counted: report(principal.email, counted, reader.contents, tz, datetime.now(UTC)).html(),
            "text/html; charset=utf-8",
        )
        made.headers["Content-Security-Policy"] = POLICY
        return made

    return routes
