"""The local Ray of `gbm up` and `gbm demo`.

Everything binds loopback, and the dashboard wants a token. Ray's processes end with the process that started them, so a
killed cluster leaves none behind.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster import haproxy
from cluster.home import Home
from cluster.orphan_processes import MARK, end_leftovers
from cluster.ray_internals import free_agent_port, log_driver_output
from cluster.runtime_folder import RuntimeFolder, remove_abandoned
from cluster.settings import RaySettings
from cluster.signals import watch_signals
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)


class RayUnavailable(BackupError):
    """Ray did not start, or does not answer. See its logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Ray is not available: {self.reason}."


def environment(home: Home) -> dict[str, str]:
    """What Ray must find in the environment of every process, before it is imported."""
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # binds loopback
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_path(home)),
        "RAY_SCHEDULER_EVENTS": "0",
        # Ray ends idle workers beyond this number after a second. By default it is the number of CPUs, and fractional
        # tasks need more: workers then die and start anew for ever (20,000 messages: 4.6 ms of CPU each, not 0.3).
        "RAY_num_workers_soft_limit": "24",
        MARK: str(home.root),
    }


def token_path(home: Home) -> Path:
    """The file with the token that the dashboard and every client of this Ray need."""
    return home.run / "ray.token"


def prepare_environment(home: Home) -> None:
    """Set Ray's environment in this process; to be called before Ray is imported."""
    os.environ.update(environment(home))
    path = token_path(home)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(32).hex())


@contextmanager
def local_ray(home: Home, settings: RaySettings) -> Iterator[str]:
    """A Ray of our own until the block ends; gives the dashboard's URL.

    Raises:
        RayUnavailable.
    """
    prepare_environment(home)
    remove_abandoned()
    folder = RuntimeFolder(home)
    folder.claim()
    os.environ.update(haproxy.environment(folder.haproxy))
    import ray
    from ray.exceptions import RayError

    free_agent_port()
    log_driver_output()
    try:
        context = ray.init(
            address="local",
            num_cpus=settings.cpus,
            object_store_memory=settings.object_store_bytes,
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            dashboard_port=settings.dashboard_port,
            namespace="gbm",
            log_to_driver=False,
            logging_level=logging.WARNING,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder.ray),
        )
    except (RayError, RuntimeError, ValueError, ConnectionError, TimeoutError) as exc:
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc
    watch_signals()  # Ray has set handlers of its own
    try:
        folder.require_private()  # Ray opens its own folder, and Serve will execute HAProxy's script beside it
        yield f"http://{context.dashboard_url}"
    finally:
        ray.shutdown()
        end_leftovers(home.root)
        folder.remove()


def address() -> str:
    """Where other processes of this machine join the Ray that this process runs."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


@contextmanager
def joined(home: Home, address: str) -> Iterator[None]:
    """Be a client of a running cluster until the block ends."""
    prepare_environment(home)
    import ray
    from ray.exceptions import RayError

    try:
        ray.init(address, namespace="gbm", log_to_driver=False, logging_level=logging.WARNING)
    except (RayError, RuntimeError, ValueError, ConnectionError, TimeoutError) as exc:
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc
    try:
        yield
    finally:
        ray.shutdown()


def connect_from_job() -> None:
    """Connect to the cluster that this job runs on."""
    import ray

    ray.init(namespace="gbm", log_to_driver=False, logging_level=logging.WARNING)
