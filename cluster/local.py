"""A complete cluster on this machine: stores, Ray, shard owners, gateway. `gbm up` and `gbm demo` run it.

Everything stops at the end of the block, in reverse order. After a kill, the next start repairs the rest: PostgreSQL
recovers, leases are taken over, orphan files are deleted, full syncs continue.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from cluster.backfill import campaign_command
from cluster.haproxy import Proxy
from cluster.home import Home
from cluster.orphan_processes import end_orphans
from cluster.owners import close_shards, start_shards, sweep_shards
from cluster.ray_internals import prepare_serve
from cluster.restoring import restore_command
from cluster.session import address, local_ray
from cluster.settings import Settings
from cluster.signals import check_stop, watch_signals
from cluster.stores import Stores, open_stores, share_sealing_key
from cluster.system_limits import lacking_memory, require_processes
from cluster.watching import watched
from jobs.analysis.running import require_known
from serve.port_check import require_free
from storage.sql_sandbox import wall

Tell = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class LocalCluster:
    """A running cluster."""

    stores: Stores
    api: str
    dashboard: str
    proxy: Proxy
    swept: list[str] = field(default_factory=list)


@contextmanager
def local_cluster(settings: Settings, tell: Tell, gateway: bool = True) -> Iterator[LocalCluster]:
    """Run a cluster until the block ends.

    Args:
        tell: called with each component that is being started.
        gateway: also serve HTTP.

    Raises:
        BackupError: one sentence that says what is wrong and what to do; nothing is left running.
    """
    require_known(settings.analysis)
    require_processes()
    home = Home(settings.home)
    home.prepare()
    watch_signals()
    with ExitStack() as stack:
        stack.enter_context(home.exclusively())
        if ended := end_orphans(home.root):
            tell(f"after ending {ended} processes of a killed cluster")
        require_free(settings.serve.host, settings.serve.port, "GBM_SERVE__PORT")
        require_free("127.0.0.1", settings.ray.dashboard_port, "GBM_RAY__DASHBOARD_PORT")
        share_sealing_key(settings)  # the environment of Ray's processes
        opened = stack.enter_context(entered_aside(open_stores(settings, tell)))  # while Ray starts
        if said := lacking_memory(settings.ray.object_store_bytes):
            tell(said)
        tell("Ray")
        dashboard, proxy = stack.enter_context(local_ray(home, settings.ray, settings.serve))
        if proxy.connections < settings.serve.edge.connections:
            tell(f"the gateway with {proxy.connections} connections at most, by the limit of open files")
        if lacking := wall.lacking():
            tell(f"SQL queries without {', '.join(lacking)}, which this system does not have")
        tell("shards and gateway" if gateway else "shards")
        shards: list[int] = []  # the started shards
        stack.callback(lambda: asyncio.run(close_shards(shards)))  # close after the gateway, which calls them
        if gateway:
            prepare_serve()
            from serve import deployment  # imports Ray Serve, which reads the environment that local_ray has set
            from serve.settings import CampaignsConfig

            stack.callback(deployment.shutdown)
            front = deployment.Proxy(proxy.proof, str(proxy.certificate), str(proxy.key))
            serving = deployment.start(settings.serve, front)
        stores = opened()
        check_stop()
        shards += stores.shards
        start_shards(stores.config, shards)  # their processes start while the gateway does
        with ThreadPoolExecutor(1, "sweep-shards") as thread:  # the owners begin to work while the gateway starts
            sweeping = thread.submit(lambda: asyncio.run(sweep_shards(shards)))
            if gateway:
                at_once = stores.settings.restore.at_once
                commands = tuple(campaign_command(home)), tuple(restore_command(home))
                jobs = CampaignsConfig(dashboard, *commands, at_once)
                deployment.deploy(stores.config, settings.serve, jobs, front, serving)
        swept = sweeping.result()
        check_stop()
        api = f"http://{settings.serve.host}:{settings.serve.port}"
        facts: dict[str, object] = {
            "pid": os.getpid(),
            "api": api,
            "dashboard": dashboard,
            "ray": address(),
            "started_at": time.time(),
        }
        stack.callback(home.forget)
        home.record(facts)
        shown = api if gateway else None
        stack.enter_context(watched(stores, dashboard, settings.serve.rates if gateway else None, shown))
        yield LocalCluster(stores, api, dashboard, proxy, swept)


@contextmanager
def entered_aside(context: AbstractContextManager[T]) -> Iterator[Callable[[], T]]:
    """Enter a context in a thread of its own, and exit it in this one when the block ends.

    Yields:
        Waits until the context is entered; returns what it yields, or raises its error.
    """
    with ExitStack() as stack, ThreadPoolExecutor(1, "entered-aside") as thread:
        entering = thread.submit(stack.enter_context, context)
        yield entering.result
