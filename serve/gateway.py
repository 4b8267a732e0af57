"""The stack that every application wears, from the outside in:

    request id, trace context, access log, security headers   serve/http/request_context.py
    nothing that did not come through our own proxy            serve/http/client_address.py
    answers at the speed of their reader                       serve/http/paced_response.py
    time until an answer begins                                serve/http/limits.py
    CORS by an allow-list                                      Starlette's, if there are origins
    rate of the address, authentication, authorisation,
    rate of the caller                                         serve/auth/authorization.py
    the body, whole; requests at a time, fairly                serve/http/limits.py, fair_slots.py
    compression, ETag, `fields`                                serve/http/conditional.py
    position of reads                                          serve/http/session_token.py
    problems                                                   serve/http/problems.py, serve/error_responses.py

Pure ASGI, so that it costs a request no task of its own. Paths are whole ("/api/v1/emails"), whichever prefix the
proxy matched.
"""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from serve.auth.authorization import AccessControl, AuthMiddleware
from serve.auth.policies import require_policies
from serve.config import ServeConfig
from serve.error_responses import FAULTS
from serve.http import problems
from serve.http.client_address import Addresses, OnlyProxy
from serve.http.conditional import ConditionalResponseMiddleware
from serve.http.limits import BodyMiddleware, ConcurrencyLimitMiddleware, DeadlineMiddleware
from serve.http.paced_response import PacedResponseMiddleware
from serve.http.request_context import RequestContextMiddleware
from serve.http.session_token import SessionTokenMiddleware
from serve.openapi import TITLE
from serve.ops import root

#: What a page of an allowed origin may send and read beyond what every page may.
_ASKED = ["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Range"]
_ASKED += ["X-GBM-Position", "X-Request-ID", "traceparent", "tracestate"]
_TOLD = ["Content-Disposition", "ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After"]
_TOLD += ["X-GBM-Position", "X-Request-ID", "traceparent"]


def application(
    name: str,
    routers: Sequence[APIRouter],
    config: ServeConfig,
    door: AccessControl | None = None,
    proof: str | None = None,
) -> FastAPI:
    """An app of these routers that wears the stack. Its own documentation is off: serve/ops/root.py has all of it.

    Args:
        door: None: all its routes are public, and nobody's rate is limited.
        proof: the secret of the proxy in front of the replicas; None: there is none.
    """
    # Never a redirect: its address would be made of the request's Host.
    app = FastAPI(title=f"{TITLE}: {name}", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in routers:
        app.include_router(router)
    routes = app.state.routes = [route for router in routers for route in router.routes]
    require_policies(routes)
    problems.install(app, FAULTS)
    # Each is put around those before it.
    app.add_middleware(SessionTokenMiddleware)
    app.add_middleware(ConditionalResponseMiddleware)
    scale = config.scale_of(name)
    most = scale.max_requests
    app.add_middleware(ConcurrencyLimitMiddleware, most=most, waiting=scale.max_queued_requests)
    app.add_middleware(BodyMiddleware, limit_bytes=config.body_bytes, timeout_s=float(config.edge.request_s), most=most)
    app.add_middleware(
        AuthMiddleware, routes=routes, door=door or AccessControl(), addresses=Addresses(config.trusted_proxies)
    )
    if config.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors_origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
            allow_headers=_ASKED,
            expose_headers=_TOLD,
            max_age=600,
        )
    app.add_middleware(DeadlineMiddleware, timeout_s=config.timeout_s)
    app.add_middleware(
        PacedResponseMiddleware, bytes_per_s=config.edge.answer_bytes_per_s, most_bytes=config.edge.spool_bytes
    )
    app.add_middleware(OnlyProxy, proof=proof)
    app.add_middleware(RequestContextMiddleware)
    return app


def root_application(
    routers: Sequence[APIRouter],
    apps: Sequence[FastAPI],
    config: ServeConfig,
    door: AccessControl | None = None,
    proof: str | None = None,
) -> FastAPI:
    """The application at /, with the description of all applications.

    Args:
        routers: of serve/ops/root.py; apps: the other applications.
    """
    app = application("gateway", [*routers, root.documentation(routers, apps)], config, door, proof)
    app.state.describe = lambda: root.described(apps, routers)
    return app
