"""The local Ray of `gbm up` and `gbm demo`.

Everything binds loopback, and the dashboard requires a token. Ray's processes end with the process that started them,
so a killed cluster leaves none behind.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.home import Home
from cluster.orphan_processes import MARK, end_orphans
from cluster.ray_internals import prepare_ray
from cluster.runtime_folder import RuntimeFolder, remove_abandoned
from cluster.settings import RaySettings
from cluster.signals import watch_signals
from serve.config import ServeConfig
from storage.errors import BackupError

if TYPE_CHECKING:
    from cluster import haproxy

_LOG = logging.getLogger(__name__)
#: Attempts to start Ray on a machine that is too busy.
_STARTS = 3


class RayUnavailable(BackupError):
    """Ray did not start, or does not answer. See its logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Ray is not available ({self.reason.rstrip('.')}): read its logs, then run `gbm down` and `gbm up`."


def environment(home: Home) -> dict[str, str]:
    """Ray's environment variables, which must be set in every process before Ray is imported."""
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # binds loopback
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_path(home)),
        "RAY_SCHEDULER_EVENTS": "0",
        # Ray ends idle workers beyond this number, which includes the actors: one worker stays for the next task. By
        # default Ray waits for one second: workers then die and start anew for ever (20,000 messages: 4.6 ms of CPU
        # each, not 0.3). Workers that stay for ever keep 80 to 130 MiB each.
        "RAY_num_workers_soft_limit": "8",
        "RAY_idle_worker_killing_time_threshold_ms": "60000",
        MARK: str(home.root),
    }


def token_path(home: Home) -> Path:
    """The file with the token that the dashboard and every client of this Ray require."""
    return home.run / "ray.token"


def prepare_environment(home: Home) -> None:
    """Set Ray's environment in this process. Call it before Ray is imported.

    A cluster that runs already has set it for the processes of its nodes.
    """
    if home.existing is not None:
        return
    os.environ.update(environment(home))
    path = token_path(home)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(32).hex())


@contextmanager
def local_ray(home: Home, settings: RaySettings, serve: ServeConfig) -> "Iterator[tuple[str, haproxy.Proxy]]":
    """Run a Ray until the block ends; yields the dashboard's URL, and the HAProxy that Serve will start.

    Raises:
        RayUnavailable, TooFewFiles.
    """
    from cluster import haproxy

    prepare_environment(home)
    remove_abandoned()
    folder = RuntimeFolder(home)
    folder.claim()
    proxy = haproxy.prepare(folder.haproxy, serve)
    os.environ.update(proxy.environment)
    import ray

    prepare_ray()
    dashboard = _start(home, settings, folder)
    watch_signals()  # Ray has set its own handlers
    try:
        folder.require_private()  # Ray opens its own folder, and Serve will execute HAProxy's script beside it
        _record_address(home, address())
        yield f"http://{dashboard}", proxy
    finally:
        _address_path(home).unlink(missing_ok=True)
        ray.shutdown()
        end_orphans(home.root)
        folder.remove()


def _start(home: Home, settings: RaySettings, folder: RuntimeFolder) -> str:
    """Start Ray's processes; returns the dashboard's host and port.

    Ray gives a node 30 s to register, which a busy machine exceeds, and reports that as a plain `Exception`.

    Raises:
        RayUnavailable.
    """
    import ray
    from ray.exceptions import RayError

    for attempt in range(1, _STARTS + 1):
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
        except Exception as exc:
            if type(exc) is not Exception:
                raise
            ray.shutdown()
            end_orphans(home.root)  # the processes of an unregistered node keep running
            if attempt == _STARTS:
                raise RayUnavailable(str(exc).strip().splitlines()[0].rstrip(".")) from exc
            _LOG.warning("Ray did not start in time: starting it again (attempt %d of %d)", attempt + 1, _STARTS)
        else:
            return str(context.dashboard_url)
    raise AssertionError("unreachable")


def address() -> str:
    """The address at which other processes of this machine join this process's Ray."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


@contextmanager
def joined(home: Home, address: str) -> Iterator[None]:
    """Connect to a running cluster until the block ends."""
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


def connect_from_job(home: Home) -> None:
    """Connect to the cluster of this home, which this job runs on.

    The address is read from the home: the one that Ray gives a job (RAY_ADDRESS) may be any cluster's of the machine,
    and whatever listens there would receive this cluster's token.

    Raises:
        RayUnavailable.
    """
    prepare_environment(home)
    try:
        address = home.existing.address if home.existing is not None else _address_path(home).read_text().strip()
    except FileNotFoundError as exc:
        raise RayUnavailable(f"no cluster runs on {home.root}") from exc
    if home.existing is None:
        os.environ["RAY_ADDRESS"] = address
    import ray
    from ray.exceptions import RayError

    try:
        ray.init(address, namespace="gbm", log_to_driver=False, logging_level=logging.WARNING)
    except (RayError, RuntimeError, ValueError, ConnectionError, TimeoutError) as exc:
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc


def _address_path(home: Home) -> Path:
    return home.run / "ray.address"


def _record_address(home: Home, address: str) -> None:
    path = _address_path(home)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(address)
