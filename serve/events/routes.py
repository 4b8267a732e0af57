"""/api/v1/events: the caller's own events; /api/v1/admin/events: those of the fleet without mail, for operators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from storage.events.event_type import EventData
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


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads feeds for the routes: as pages, and as streams."""

    watch: HeadWatch
    streams: Streams
    threads: BlockingExecutor
    heartbeat_s: float

    async def page(
        self, feed: Callable[[], Any], after: str | None, since: datetime | None, kind: str | None, limit: int
    ) -> Page:
        """A page of a feed, which `feed` opens; blocking work runs in a thread."""
        kinds = REGISTRY.selected(kind)

        def read() -> Page:
            opened = feed()
            page: Page = opened.page(opened.start(since) if after is None else after, kinds, limit)
            return page

        return await self.threads.run(read)

    async def stream(
        self, principal: Principal, feed: Feed, kind: str | None, seen: str | None, fleet: bool
    ) -> Response:
        """A feed as server-sent events."""
        kinds = REGISTRY.selected(kind)
        # An error of the first page is a response; later, the stream can only end.
        first = await self.threads.run(lambda: feed.page(feed.present() if seen is None else seen, kinds, MOST))
        parts = stream(feed, first, kinds, self.watch, self.threads, self.heartbeat_s, fleet)
        return self.streams.forward(principal.user_id, parts)


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
    reading = _Reading(HeadWatch(heads, threads, poll_s), streams, threads, heartbeat_s)
    routes = APIRouter(prefix="/api/v1", responses=responses(401, 403, 422, 503))
    _add_own(routes, reading, of_user)
    _add_fleet(routes, reading, of_fleet)
    return routes


def _add_own(routes: APIRouter, reading: _Reading, of_user: Callable[[Principal], Any]) -> None:
    """Add the routes of a caller's own events, and of the types."""

    @routes.get("/events", tags=["events"], summary="Your events, oldest first", responses=responses(400, 410))
    @permits(scope=Scope.EVENTS)
    async def events(
        principal: Caller, after: _After = None, since: _Since = None, type: _Type = None, limit: _Limit = 100
    ) -> EventPage:
        page = await reading.page(lambda: of_user(principal), after, since, type, limit)
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
        feed = await reading.threads.run(of_user, principal)
        return await reading.stream(principal, feed, type, last_event_id, fleet=False)

    @routes.get("/events/types", tags=["events"], summary="The types of events and their schemas")
    @permits()
    async def types() -> EventTypes:
        return EventTypes(items=[_type_item(model) for model in REGISTRY.all()])


def _add_fleet(routes: APIRouter, reading: _Reading, of_fleet: Any) -> None:
    """Add the routes of operators and auditors."""
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
        return _page(await reading.page(lambda: of_fleet, after, since, type, limit), fleet=True)

    @routes.get(
        "/admin/events/stream",
        tags=["admin"],
        summary="Events of the fleet as they happen, as server-sent events",
        response_class=Response,
        responses=_SSE,
    )
    @permits(*operators, scope=Scope.EVENTS, cost=10, streaming=True)
    async def fleet_live(principal: Caller, type: _Type = None, last_event_id: LastEventId = None) -> Response:
        return await reading.stream(principal, of_fleet, type, last_event_id, fleet=True)


def _type_item(model: type[EventData]) -> EventTypeItem:
    return EventTypeItem(
        type=model.type,
        version=model.version,
        description=(model.__doc__ or "").strip(),
        fleet=model.fleet,
        superseded_by=model.superseded_by,
        data_schema=model.json_schema(),
    )


def _page(page: Page, fleet: bool) -> EventPage:
    items = [CloudEvent(**document) for document in as_documents(page, fleet)]
    return EventPage(items=items, next_cursor=page.cursor, has_more=page.full)
