"""/: health, readiness, metrics, the API's description, and where everything is."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, HTTPException, Response
from pydantic import BaseModel, Field

from serve import openapi
from serve.auth.policies import public
from serve.auth.revocations import Grace
from serve.ops.metrics import Metrics
from serve.ops.metrics import router as metrics_router
from serve.ops.readiness import CONTROL, Probes
from storage.replication.replica_health import Health as ReplicaHealth
from storage.version import VERSION


class Health(BaseModel):
    """The gateway answers."""

    status: str = Field("ok", description="always ok: a gateway that is not does not answer")
    version: str = Field(description="of this program, by semantic versioning")


class Replica(BaseModel):
    """A read replica of a database, as this process last saw it."""

    in_rotation: bool
    state: str = Field(description="ready, or why it is not read from")
    lag_bytes: int | None = Field(description="of log that it has not replayed; null: not known")
    lag_s: float | None = Field(description="seconds that it is behind; 0 while the primary is idle")


class RevocationGrace(BaseModel):
    """Revocations cannot be read, and those that are known count for a while."""

    age_s: int = Field(description="seconds since they were read, by this process")
    left_s: int = Field(description="seconds for which they still accept access tokens; 0: none is accepted")


class Readiness(BaseModel):
    """Whether the service can do its work, and what it lacks."""

    ready: bool
    dependencies: dict[str, str] = Field(description="by name: ok or unreachable")
    waiting: dict[str, int] = Field(
        {}, description="by reason: mailboxes, or whole shards, whose backup waits; mail is served all the same"
    )
    replicas: dict[str, Replica] = Field(
        {}, description="by name; the service is ready without them: the primaries answer instead"
    )
    revocations: RevocationGrace | None = Field(
        None, description="while the control database is away: how long access tokens are still accepted"
    )


class Index(BaseModel):
    """Where everything is."""

    name: str
    version: str
    links: dict[str, str]


def routers(
    probes: Probes,
    metrics: Metrics,
    replicas: Callable[[], Sequence[ReplicaHealth]] = tuple,
    grace: Callable[[], Grace] | None = None,
) -> list[APIRouter]:
    """The routes that tell whether the service works: index, health, readiness, metrics.

    Args:
        grace: how long tokens are accepted while the control database is away.
    """
    router = APIRouter(tags=["service"])

    @router.get("/health", summary="Whether the gateway answers")
    @public(cost=0)
    async def health() -> Health:
        return Health(status="ok", version=VERSION)

    @router.get("/ready", summary="Whether everything that the service needs answers")
    @public()
    async def ready(response: Response) -> Readiness:
        answers = await probes.run()
        if not all(answers.values()):
            response.status_code = 503
            response.headers["Retry-After"] = "5"
        states = {name: "ok" if answer else "unreachable" for name, answer in answers.items()}
        waiting = await metrics.waiting() if answers.get(CONTROL) else {}  # it says why, where it can be asked
        return Readiness(
            ready=all(answers.values()),
            dependencies=states,
            waiting=waiting,
            replicas=_shown(replicas()),
            revocations=None if grace is None or answers.get(CONTROL) else _accepted(grace()),
        )

    @router.get("/", summary="Where everything is")
    @public()
    async def index() -> Index:
        links = {name: f"/{name}" for name in ("docs", "openapi.json", "health", "ready", "metrics")}
        return Index(name=openapi.TITLE, version=VERSION, links=links)

    return [router, metrics_router(metrics)]


def _accepted(grace: Grace) -> RevocationGrace:
    return RevocationGrace(age_s=int(grace.age_s), left_s=int(grace.left_s))


def _shown(replicas: Sequence[ReplicaHealth]) -> dict[str, Replica]:
    return {
        each.name: Replica(
            in_rotation=each.ready, state=_public(each.state), lag_bytes=each.lag_bytes, lag_s=each.lag_s
        )
        for each in replicas
    }


def _public(state: str) -> str:
    """Without the reason in parentheses, which may name hosts: anybody may ask."""
    return state.partition(" (")[0]


def described(apps: Sequence[FastAPI], routers: Sequence[APIRouter]) -> dict[str, Any]:
    """The OpenAPI document of all applications and of this one's routers."""
    routes = [route for app in apps for route in app.state.routes]
    routes += [route for router in routers for route in router.routes]
    return openapi.merged(openapi.TITLE, VERSION, routes)


def documentation(routers: Sequence[APIRouter], apps: Sequence[FastAPI]) -> APIRouter:
    """The description of the API, and its page.

    Args:
        routers: of the root application; apps: the other applications.
    """
    pages = APIRouter(include_in_schema=False)

    @cache
    def document() -> bytes:
        return orjson.dumps(described(apps, routers))

    @cache
    def service(name: str) -> bytes | None:
        for app in apps:
            if app.title == f"{openapi.TITLE}: {name}":
                return orjson.dumps(openapi.merged(app.title, VERSION, app.state.routes))
        return None

    @pages.get("/openapi.json")
    @public()
    async def description() -> Response:
        return Response(document(), media_type="application/json")

    @pages.get("/openapi/{name}.json")
    @public()
    async def description_of(name: str) -> Response:
        found = service(name)
        if found is None:
            raise HTTPException(404)
        return Response(found, media_type="application/json")

    @pages.get("/docs")
    @public()
    async def page() -> Response:
        return Response(openapi.PAGE, headers={"Content-Security-Policy": openapi.PAGE_POLICY}, media_type="text/html")

    @pages.get("/docs/start.js")
    @public()
    async def start() -> Response:
        return Response(openapi.START, media_type="text/javascript")

    @pages.get("/docs/{name}")
    @public()
    async def asset(name: str) -> Response:
        if name not in openapi.ASSETS:
            raise HTTPException(404)
        content, media_type = openapi.asset(name)
        return Response(content, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})

    return pages
