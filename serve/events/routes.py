"""/api/v1/events: the caller's own events; /api/v1/admin/events: those of the fleet without mail, for operators."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from serve.auth.authorization import Caller
from serve.auth.policies import Role, Scope, permits
from serve.events.feeds import Feed, HeadWatch, as_documents, stream
from serve.http.datetimes import Moment
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.http.sse import LastEventId, Streams
from storage.control.principal import Principal
from storage.events.log import MOST, Page
from storage.events.registry import REGISTRY

_After = Annotated[
    str | None,
    Query(max_length=30_000, description="`id` of an event, or `next_cursor`; by default from the oldest event on"),
]
_Type = Annotated[
    str | None,
    Query(max_length=1000, description="types, or prefixes such as `email.*`, separated by commas"),
]
_Since = Annotated[Moment | None, Query(description="RFC 3339; only without `after`")]
_Limit = Annotated[int, Query(ge=1, le=MOST)]
_SSE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}, **responses(400, 410, 429)}


class CloudEvent(BaseModel):
    """An event in the JSON format of CloudEvents 1.0."""

    specversion: str
    id: str = Field(description="unique; also a cursor of your own events")
    source: str
    type: str
    time: datetime
    subject: str | None = Field(description="users/ID; null: the event concerns no mailbox")
    datacontenttype: str
    dataschema: str
    data: dict[str, Any] = Field(description="see /api/v1/events/types")


class EventPage(BaseModel):
    """Events, oldest first."""

    items: list[CloudEvent]
    next_cursor: str = Field(description="`after` of the next request, also when there are no more events yet")
    has_more: bool


class EventTypeItem(BaseModel):
    """A type of events."""

    type: str
    version: int
    description: str
    fleet: bool = Field(description="whether operators see it at /api/v1/admin/events")
    superseded_by: str | None = Field(description="the type that is published instead")
    data_schema: dict[str, Any] = Field(description="JSON Schema of `data`")


class EventTypes(BaseModel):
    """All types and versions, by name."""

    items: list[EventTypeItem]


#: Starts of a feed that also know times.
Starts = Callable[[datetime | None], str]


def router(
    of_user: Callable[[Principal], Any],
    of_fleet: Any,
    heads: Callable[[], Mapping[int, int]],
    streams: Streams,
    threads: BlockingExecutor,
    poll_s: float,
    heartbeat_s: float,
) -> APIRouter:
    """The routes.

    Args:
        of_user: the feed of a principal's own events; blocking.
        of_fleet: `storage.events.log.FleetEvents`.
        heads: the highest position of every shard; blocking.
        poll_s: seconds between two looks for new events. heartbeat_s: seconds until a silent stream sends a heartbeat.
    """
    routes = APIRouter(prefix="/api/v1", responses=responses(401, 403, 422, 503))
    watch = HeadWatch(heads, threads, poll_s)

    def listed(feed: Any, after: str | None, since: datetime | None, kinds: list[str] | None, limit: int) -> Page:
        page: Page = feed.page(feed.start(since) if after is None else after, kinds, limit)
        return page

    async def streamed(principal: Principal, feed: Feed, kind: str | None, seen: str | None, fleet: bool) -> Response:
        kinds = REGISTRY.selected(kind)
        # An error of the first page is a response; later, the stream can only end.
        first = await threads.run(lambda: feed.page(feed.present() if seen is None else seen, kinds, MOST))
        parts = stream(feed, first, kinds, watch, threads, heartbeat_s, fleet)
        return streams.forward(principal.user_id, parts)

    @routes.get("/events", tags=["events"], summary="Your events, oldest first", responses=responses(400, 410))
    @permits(scope=Scope.EVENTS)
    async def events(
        principal: Caller, after: _After = None, since: _Since = None, type: _Type = None, limit: _Limit = 100
    ) -> EventPage:
        kinds = REGISTRY.selected(type)
        page = await threads.run(lambda: listed(of_user(principal), after, since, kinds, limit))
        return _page(page, fleet=False)

    @routes.get(
        "/events/stream",
        tags=["events"],
        summary="Your events as they happen, as server-sent events",
        response_class=Response,
        responses=_SSE,
    )
    @permits(scope=Scope.EVENTS, cost=5, streaming=True)
    async def live(principal: Caller, type: _Type = None, last_event_id: LastEventId = None) -> Response:
        feed = await threads.run(of_user, principal)
        return await streamed(principal, feed, type, last_event_id, fleet=False)

    @routes.get("/events/types", tags=["events"], summary="The types of events and their schemas")
    @permits()
    async def types() -> EventTypes:
        return EventTypes(
            items=[
                EventTypeItem(
                    type=model.type,
                    version=model.version,
                    description=(model.__doc__ or "").strip(),
                    fleet=model.fleet,
                    superseded_by=model.superseded_by,
                    data_schema=model.json_schema(),
                )
                for model in REGISTRY.all()
            ]
        )

    operators = (Role.OPERATOR, Role.AUDITOR)

    @routes.get(
        "/admin/events",
        tags=["admin"],
        summary="Events of all mailboxes that contain no mail, and of the cluster",
        responses=responses(400, 410),
    )
    @permits(*operators, scope=Scope.EVENTS, cost=5)
    async def fleet_events(
        after: _After = None, since: _Since = None, type: _Type = None, limit: _Limit = 100
    ) -> EventPage:
        kinds = REGISTRY.selected(type)
        return _page(await threads.run(lambda: listed(of_fleet, after, since, kinds, limit)), fleet=True)

    @routes.get(
        "/admin/events/stream",
        tags=["admin"],
        summary="Events of the fleet as they happen, as server-sent events",
        response_class=Response,
        responses=_SSE,
    )
    @permits(*operators, scope=Scope.EVENTS, cost=10, streaming=True)
    async def fleet_live(principal: Caller, type: _Type = None, last_event_id: LastEventId = None) -> Response:
        return await streamed(principal, of_fleet, type, last_event_id, fleet=True)

    return routes


def _page(page: Page, fleet: bool) -> EventPage:
    items = [CloudEvent(**document) for document in as_documents(page, fleet)]
    return EventPage(items=items, next_cursor=page.cursor, has_more=page.full)
