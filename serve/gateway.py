"""The middleware stack of every application, from the outside in:

    request id, trace context, access log, security headers   serve/http/request_context.py
    refuse requests that bypass the proxy                      serve/http/client_address.py
    buffer responses for slow clients                          serve/http/paced_response.py
    timeout until a response begins                            serve/http/limits.py
    CORS allow-list                                            Starlette, if origins are configured
    rate per address, authentication, authorization,
    rate per caller                                            serve/auth/authorization.py
    body size, concurrent requests per caller                  serve/http/limits.py, fair_slots.py
    compression, ETag, `fields`                                serve/http/conditional.py
    read position                                              serve/http/session_token.py
    problem documents                                          serve/http/problems.py, serve/error_responses.py

The middleware is pure ASGI and starts no task per request. Routes contain their full path ("/api/v1/emails"), whatever
prefix the proxy matched.
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
from serve.ops import root, web

#: CORS: request headers that a page of an allowed origin may send, and response headers that it may read.
_ALLOWED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Range"]
_ALLOWED_HEADERS += ["X-GBM-Position", "X-Request-ID", "traceparent", "tracestate"]
_EXPOSED_HEADERS = ["Content-Disposition", "ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After"]
_EXPOSED_HEADERS += ["X-GBM-Position", "X-Request-ID", "traceparent"]


def application(
    name: str,
    routers: Sequence[APIRouter],
    config: ServeConfig,
    access_control: AccessControl | None = None,
    proof: str | None = None,
) -> FastAPI:
    """An application of these routers with the middleware stack. serve/ops/root.py serves its documentation.

    Args:
        access_control: None: all routes are public and rates are not limited.
        proof: shared secret of the proxy in front of the replicas; None: no proxy.
    """
    # No redirects: their URL would be built from the request's Host header.
    app = FastAPI(title=f"{TITLE}: {name}", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in routers:
        app.include_router(router)
    routes = app.state.routes = [route for router in routers for route in router.routes]
    require_policies(routes)
    problems.install(app, FAULTS)
    # add_middleware wraps the middleware added before.
    app.add_middleware(SessionTokenMiddleware)
    app.add_middleware(ConditionalResponseMiddleware)
    scale = config.scale_of(name)
    most = scale.max_requests
    app.add_middleware(ConcurrencyLimitMiddleware, most=most, waiting=scale.max_queued_requests)
    app.add_middleware(BodyMiddleware, limit_bytes=config.body_bytes, timeout_s=float(config.edge.request_s), most=most)
    app.add_middleware(
        AuthMiddleware,
        routes=routes,
        access=access_control or AccessControl(),
        addresses=Addresses(config.trusted_proxies),
    )
    if config.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors_origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
            max_age=600,
        )
    app.add_middleware(DeadlineMiddleware, timeout_s=config.timeout_s)
    app.add_middleware(
        PacedResponseMiddleware, bytes_per_s=config.edge.response_bytes_per_s, most_bytes=config.edge.spool_bytes
    )
    app.add_middleware(OnlyProxy, proof=proof)
    app.add_middleware(RequestContextMiddleware)
    return app


def root_application(
    routers: Sequence[APIRouter],
    apps: Sequence[FastAPI],
    config: ServeConfig,
    access_control: AccessControl | None = None,
    proof: str | None = None,
) -> FastAPI:
    """The application at /, with the OpenAPI document of all applications.

    Args:
        routers: routers of serve/ops/root.py.
        apps: the other applications.
    """
    pages = [root.documentation(routers, apps), web.router()]
    app = application("gateway", [*routers, *pages], config, access_control, proof)
    app.state.describe = lambda: root.described(apps, routers)
    return app
