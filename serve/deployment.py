"""The gateway as Ray Serve applications. The only module of serve/ that imports Ray.

Every application has its own prefix, replicas, health check and scaling. With `ServeConfig.together` one application
contains all (serve/http/prefixes.py): one process instead of six. State is created in the constructor of the replica,
because Serve discards state created by an ASGI lifespan.
"""

import gc
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from ray import serve as ray_serve
from ray.exceptions import RayError
from ray.serve.schema import ProxyStatus
from ray.util.metrics import Counter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.config import BackupConfig
from actors.remote.client import ShardClient
from actors.remote.rate_limits import RateClient, await_rates, start_rates
from actors.remote.ray_jobs import start_campaign, start_restore
from serve.config import Application, ServeConfig
from serve.port_check import require_free
from serve.settings import PREFIXES, CampaignsConfig, Settings, require_usable
from serve.sync.ports import JobsUnavailable
from storage.control.campaigns import Campaign, Campaigns
from storage.control.restore_records import Restore
from storage.control.restores import Restores
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
#: Seconds to wait for the rate broker once the replicas have started.
_RATES_S = 30.0
#: Seconds between two looks whether Serve's controller answers.
_POLL_S = 0.05
#: Seconds that the proxy has beyond those that Serve gives it, and between two looks.
_PROXY_S, _PROXY_POLL_S = 120.0, 0.5


class GatewayFailed(BackupError):
    """An application of the gateway does not start. Read the log of its replica."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The gateway does not start ({self.reason.rstrip('.')}): read the log of its replica."


@dataclass(frozen=True, slots=True)
class Proxy:
    """The secret that HAProxy sends to replicas, and the TLS certificate that replicas present to HAProxy."""

    proof: SecretStr
    certificate: str
    key: str

    def http_options(self, port: int) -> dict[str, object]:
        """Options for Serve: listen on loopback; HAProxy has the public address (cluster/haproxy_config.py)."""
        options = {"host": LOOPBACK, "port": port}
        return {**options, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}


class _ServeRequestId:
    """Removes X-Request-ID from responses, because Serve adds the header to every response itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def without_request_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["X-Request-ID"]
            await send(message)

        await self._app(scope, receive, without_request_id)


@ray_serve.ingress()
class Gateway:
    """One application in a replica, or all of them."""

    def __init__(self, name: Application, settings: Settings) -> None:
        from serve.assembly import Assembly  # the applications, which the process that deploys them does not need

        _log_with_serve()
        _stay_on_loopback()
        owners = ShardClient(settings.serve.owner_timeout_s)
        jobs = CampaignJobs(settings.campaigns) if settings.campaigns else None
        answers = Counter("gbm_answers", "Answers about a mailbox, kept ones and new ones.", ("application", "kept"))

        def answered(application: str, kept: bool) -> None:
            answers.inc(1, {"application": application, "kept": str(kept).lower()})

        rates = RateClient(settings.serve.rates)
        self._name, self._assembly = name, Assembly(settings, owners, jobs, rates, answered)

    def __serve_build_asgi_app__(self) -> FastAPI:
        app = self._assembly.application(self._name)
        app.add_middleware(_ServeRequestId)
        gc.collect()
        gc.freeze()  # a full collection of the imported modules takes 100 ms, in which no request is answered
        return app

    async def check_health(self) -> None:
        """Raise if this replica hangs. /ready reports databases that are down: a new replica would not help."""
        await self._assembly.check()


class CampaignJobs:
    """`serve.sync.ports.Jobs` as Ray Jobs."""

    def __init__(self, config: CampaignsConfig) -> None:
        self._config = config

    def start(self, campaigns: Campaigns, campaign: Campaign) -> Campaign:
        """Start a campaign's job unless it is running, and return the campaign."""
        try:
            return start_campaign(self._config.dashboard, self._config.command, campaigns, campaign)
        except (ConnectionError, RuntimeError) as exc:
            raise JobsUnavailable(_last_line(str(exc))) from exc

    def start_restore(self, restores: Restores, restore: Restore) -> Restore:
        """Start a restore's job unless it is running, and return the restore."""
        try:
            config = self._config
            return start_restore(config.dashboard, config.restore_command, restores, restore, config.restores_at_once)
        except (ConnectionError, RuntimeError) as exc:
            raise JobsUnavailable(_last_line(str(exc))) from exc


def start(config: ServeConfig, proxy: Proxy | None = None) -> Future[None]:
    """Begin to start Serve's controller and proxy, unless they run. The result is there when the proxy listens.

    Raises:
        PortOccupied.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # keep Serve's progress off the console
    if not ray_serve.status().proxies:
        require_free(config.host, config.port, "GBM_SERVE__PORT")
    options = {"host": config.host, "port": config.port} if proxy is None else proxy.http_options(config.port)
    thread = ThreadPoolExecutor(1, "start-serve")
    starting = thread.submit(_start_serve, options)
    thread.shutdown(wait=False)
    return starting


def _start_serve(options: Mapping[str, object]) -> None:
    """Start Serve, and wait for its proxy for longer than Serve does, on a machine that is busy.

    Raises:
        GatewayFailed.
    """
    try:
        ray_serve.start(http_options=dict(options))
    except (TimeoutError, RayError):  # after 60 s, or the proxy's actor was replaced: it goes on starting
        deadline = time.monotonic() + _PROXY_S
        while ProxyStatus.HEALTHY not in ray_serve.status().proxies.values():
            if time.monotonic() > deadline:
                raise GatewayFailed(f"its proxy has not started within {60 + _PROXY_S:.0f} s") from None
            time.sleep(_PROXY_POLL_S)


def deploy(
    backup: BackupConfig,
    config: ServeConfig,
    campaigns: CampaignsConfig | None = None,
    proxy: Proxy | None = None,
    starting: Future[None] | None = None,
) -> list[str]:
    """Start the gateway, or update the running one.

    Args:
        campaigns: where campaign jobs run; None: campaigns cannot be started over HTTP.
        proxy: the HAProxy in front; None: Serve's own proxy listens at `config.host`, and replicas accept requests
            without its secret.
        starting: Serve, if `start` was called; None: it is started.

    Returns:
        The URLs of the applications; the root application is last.

    Raises:
        PortOccupied, GatewayFailed.
        KeyMissing, KeyInvalid, KeyExposed, InvalidDsn, ArchiveUnusable: the configuration is invalid.
    """
    settings = Settings(backup, config, campaigns, proxy.proof if proxy is not None else None)
    require_usable(settings)  # report invalid configuration before replicas start
    starting = starting or start(config, proxy)
    targets = [
        ray_serve.RunTarget(application(name, settings), name=name, route_prefix=prefix)
        for name, prefix in PREFIXES.items()
        if name == "gateway" or not config.together
    ]
    rates = start_rates(config.rates)  # replicas use static shares until the broker has started
    while not ray_serve.status().proxies and not starting.done():  # the controller takes no applications yet
        wait([starting], _POLL_S)
    if starting.done():
        starting.result()  # an error: `run_many` would start another Serve
    try:
        ray_serve.run_many(targets)  # the replicas start while the proxy does
        starting.result()
    except RuntimeError as exc:
        raise GatewayFailed(_failure() or _last_line(str(exc))) from exc
    if not await_rates(rates, _RATES_S):
        _LOG.warning("The rate broker has not started: replicas use static shares of the rate limits")
    return [f"http://{config.host}:{config.port}{prefix}" for prefix in PREFIXES.values()]


def application(name: Application, settings: Settings) -> ray_serve.Application:
    """One application of the gateway, not deployed."""
    return _deployment(name, settings.serve).bind(name, settings)


def _deployment(name: str, config: ServeConfig) -> ray_serve.Deployment:
    scale = config.scale_of(name)
    return ray_serve.deployment(
        Gateway,
        name=name,
        ray_actor_options={"num_cpus": scale.num_cpus},
        # Serve's own places go by arrival, whoever asks, and are held until an answer was taken: a few slow
        # readers would have all, while bodies of what waits gather in memory. The bound is ours (serve/http/limits.py).
        max_ongoing_requests=max(config.edge.connections, scale.max_requests),
        max_queued_requests=scale.max_queued_requests,
        autoscaling_config={
            "min_replicas": scale.min_replicas,
            "max_replicas": scale.max_replicas,
            "target_ongoing_requests": scale.target_requests,
            "upscale_delay_s": scale.upscale_s,
            "downscale_delay_s": scale.downscale_s,
        },
        max_constructor_retry_count=2,
        health_check_period_s=scale.health_check_s,
        health_check_timeout_s=scale.health_timeout_s,
        graceful_shutdown_timeout_s=scale.drain_s,
        logging_config={"enable_access_log": False},  # serve/http/request_context.py logs requests without query text
    )


def replicas(name: str) -> int:
    """Number of running replicas of an application."""
    application = ray_serve.status().applications.get(name)
    if application is None:
        return 0
    states = [deployment.replica_states for deployment in application.deployments.values()]
    return sum(count for counts in states for state, count in counts.items() if state == "RUNNING")


def shutdown() -> None:
    """Stop the gateway and all its replicas."""
    ray_serve.shutdown()


def _log_with_serve() -> None:
    """Write this package's log to the replica's log file instead of the driver's console.

    Bypasses Serve's buffer, which delays up to 1,000 lines under RAY_SERVE_THROUGHPUT_OPTIMIZED and loses them at exit.
    """
    ours = logging.getLogger("serve")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    handlers = [getattr(handler, "target", None) or handler for handler in logging.getLogger("ray.serve").handlers]
    ours.handlers = [handler for handler in handlers if isinstance(handler, logging.FileHandler)]


def _stay_on_loopback() -> None:
    """Bind this replica's port for handle calls to loopback; Serve binds it to all interfaces.

    Ray's token protects the port in either case.
    """
    from ray.serve._private import replica

    if getattr(replica, "_gbm_loopback", False):
        return
    bind = replica.add_port_to_grpc_server

    def on_loopback(server: Any, address: str) -> int:
        return int(bind(server, address.replace("[::]", LOOPBACK)))

    replica.add_port_to_grpc_server, replica._gbm_loopback = on_loopback, True


def _failure() -> str:
    """Last line of a failed replica's error; "" if there is none."""
    for application in ray_serve.status().applications.values():
        for deployment in application.deployments.values():
            if "Error" in deployment.message:
                return _last_line(deployment.message)
    return ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "no reason was given."
