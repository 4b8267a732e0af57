"""/api/v1/analytics: the caller's own mail in numbers."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Query, Response

from serve import numbers
from serve.admission import Caller, Door
from serve.asking import Asked, Desk, Limit, Zone
from serve.config import ServeConfig
from serve.gateway import application
from serve.policies import Scope, permits
from serve.problems import responses

PREFIX = "/api/v1/analytics"
#: What a question costs that reads the message index, or the files, of a whole mailbox.
_COST = 20


def create(desk: Desk, door: Door, config: ServeConfig, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """The application. `routers`: of what else is asked of a mailbox as a whole."""
    router = APIRouter(prefix=PREFIX, tags=["analytics"], responses=responses(400, 401, 422, 503))

    @router.get("/overview", summary="Your mailbox in numbers", response_model=numbers.Overview)
    @permits(scope=Scope.ANALYTICS, cost=_COST)
    async def overview(principal: Caller, asked: Asked) -> Response:
        return await desk.answer(principal, asked, "overview", lambda _, counted: numbers.overview(counted))

    @router.get("/senders", summary="Who writes to you", response_model=numbers.People)
    @permits(scope=Scope.ANALYTICS, cost=_COST)
    async def senders(principal: Caller, asked: Asked, limit: Limit = 20) -> Response:
        return await desk.answer(
            principal, asked, ("senders", limit), lambda _, counted: numbers.people(counted.senders(limit))
        )

    @router.get("/recipients", summary="To whom your mail goes", response_model=numbers.People)
    @permits(scope=Scope.ANALYTICS, cost=_COST)
    async def recipients(principal: Caller, asked: Asked, limit: Limit = 20) -> Response:
        return await desk.answer(
            principal, asked, ("recipients", limit), lambda _, counted: numbers.people(counted.recipients(limit))
        )

    @router.get("/domains", summary="The domains of senders or recipients", response_model=numbers.Domains)
    @permits(scope=Scope.ANALYTICS, cost=_COST)
    async def domains(
        principal: Caller, asked: Asked, side: Literal["senders", "recipients"] = "senders", limit: Limit = 20
    ) -> Response:
        return await desk.answer(
            principal, asked, ("domains", side, limit), lambda _, counted: numbers.domains(counted, side, limit)
        )

    @router.get("/timeline", summary="Your mail over time", response_model=numbers.Timeline)
    @permits(scope=Scope.ANALYTICS, cost=_COST)
    async def timeline(
        principal: Caller,
        asked: Asked,
        bucket: Annotated[
            Literal["hour", "day", "week", "month", "quarter", "year"], Query(description="weeks begin on Monday")
        ] = "month",
        tz: Zone = "UTC",
    ) -> Response:
        return await desk.answer(
            principal, asked, ("timeline", bucket, tz), lambda _, counted: numbers.timeline(counted, bucket, tz)
        )

    @router.get("/activity", summary="Your week, hour by hour", response_model=numbers.Activity)
    @permits(scope=Scope.ANALYTICS, cost=_COST)
    async def activity(principal: Caller, asked: Asked, tz: Zone = "UTC") -> Response:
        return await desk.answer(principal, asked, ("activity", tz), lambda _, counted: numbers.activity(counted, tz))

    @router.get("/labels", summary="What carries your labels", response_model=numbers.LabelTotals)
    @permits(scope=Scope.ANALYTICS, cost=_COST)
    async def labels(principal: Caller, asked: Asked) -> Response:
        return await desk.answer(principal, asked, "labels", lambda _, counted: numbers.labels(counted))

    @router.get("/storage", summary="What takes the space", response_model=numbers.Space)
    @permits(scope=Scope.ANALYTICS, cost=3 * _COST)
    async def storage(principal: Caller, asked: Asked, limit: Limit = 20) -> Response:
        return await desk.answer(
            principal,
            asked,
            ("storage", limit),
            lambda reader, counted: numbers.space(counted, limit, reader.contents),
        )

    @router.get("/threads", summary="Long threads, and response times", response_model=numbers.Correspondence)
    @permits(scope=Scope.ANALYTICS, cost=2 * _COST)
    async def threads(principal: Caller, asked: Asked, limit: Limit = 20) -> Response:
        return await desk.answer(
            principal,
            asked,
            ("threads", limit),
            lambda reader, counted: numbers.correspondence(counted, limit, reader.contents),
        )

    @router.get("/newsletters", summary="Mailing lists, and what of them was read", response_model=numbers.Newsletters)
    @permits(scope=Scope.ANALYTICS, cost=_COST)
    async def newsletters(principal: Caller, asked: Asked, limit: Limit = 20) -> Response:
        return await desk.answer(
            principal, asked, ("newsletters", limit), lambda _, counted: numbers.newsletters(counted, limit)
        )

    return application("analytics", [router, *routers], config, door)
