"""The places where the project changes Ray's private parts, because Ray has no public setting for them.

`cluster/session.py` calls `prepare_ray` before `ray.init`. A Ray that lacks these parts is refused by name
(`RayChanged`) before anything starts: an upgrade of Ray fails in tests/integration/cluster/test_ray_internals.py, not
in an installation. Checked with Ray 2.60.
"""

import inspect
import logging
from typing import Any

from storage.errors import BackupError

_LOG = logging.getLogger(__name__)


class RayChanged(BackupError):
    """The installed Ray lacks a private part that this release changes. Install the Ray of requirements.lock."""

    def __init__(self, part: str, version: str) -> None:
        super().__init__(part, version)
        self.part, self.version = part, version

    def __str__(self) -> str:
        return f"Ray {self.version} has no {self.part}: install the version of Ray that requirements.lock names."


#: Arguments of a local Ray's processes that `ray.init` cannot pass.
_PARAMETERS = {
    # The default (52365) is one for the whole machine: the agent of a second Ray would not start, and no job could be
    # submitted to it.
    "dashboard_agent_listen_port": 0,
    # One machine never scales, and no process reads workers' logs from Ray (`log_to_driver=False`; the dashboard reads
    # the files). Each of the two processes costs 45 MiB and 0.45 s of CPU at the start.
    "no_monitor": True,
    "include_log_monitor": False,
}
#: The dashboard's modules that run, each a process of 15 to 30 MiB: not those of Ray Data, Ray Train and Grafana.
_DASHBOARD_MODULES = ("EventHead", "JobHead", "NodeHead", "ReportHead", "ServeHead", "StateHead")
#: Path by which Serve's controller finds `start_no_fallback_proxy`.
CONTROLLER_CALLBACK = f"{__name__}.start_no_fallback_proxy"


class _LocalParameters:
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{**_PARAMETERS, **arguments})


def prepare_ray() -> None:
    """Make `ray.init` start only what one machine needs, and log its output instead of printing it.

    Raises:
        RayChanged.
    """
    local_parameters()
    dashboard_modules()
    log_driver_output()


def prepare_serve() -> None:
    """Check that Serve's controller will be able to call `start_no_fallback_proxy`. Imports Serve.

    Raises:
        RayChanged.
    """
    _private("ray.serve._private.proxy_state", "ProxyStateManager", "_start_fallback_proxy_if_needed")


def local_parameters() -> None:
    """Make `ray.init` start its processes with `_PARAMETERS`.

    Raises:
        RayChanged.
    """
    parameter = _private("ray._private.parameter", "RayParams")
    if issubclass(parameter.RayParams, _LocalParameters):
        return
    known = inspect.signature(parameter.RayParams).parameters
    for name in _PARAMETERS:
        if name not in known:
            raise _changed(f"ray._private.parameter.RayParams({name})")
    parameter.RayParams = type("RayParams", (_LocalParameters, parameter.RayParams), {})


def dashboard_modules() -> None:
    """Start the dashboard with `_DASHBOARD_MODULES`, unless the command names modules.

    Raises:
        RayChanged.
    """
    services = _private("ray._private.services", "start_ray_process")
    dashboard = _private("ray._private.ray_constants", "PROCESS_TYPE_DASHBOARD").PROCESS_TYPE_DASHBOARD
    start = services.start_ray_process
    if getattr(start, "_gbm_modules", False):
        return

    def start_ray_process(command: list[str], process_type: str, *arguments: Any, **options: Any) -> Any:
        if process_type == dashboard and not any(word.startswith("--modules-to-load") for word in command):
            command = [*command, f"--modules-to-load={','.join(_DASHBOARD_MODULES)}"]
        return start(command, process_type, *arguments, **options)

    start_ray_process._gbm_modules = True  # type: ignore[attr-defined]
    services.start_ray_process = start_ray_process


def start_no_fallback_proxy() -> None:
    """Make Serve's controller, which calls this, start no Python proxy behind HAProxy.

    HAProxy sends no request to it (cluster/haproxy_config.py); its process costs 93 MiB and 1 s of CPU at the start.

    Raises:
        RayChanged.
    """
    state = _private("ray.serve._private.proxy_state", "ProxyStateManager", "_start_fallback_proxy_if_needed")
    state.ProxyStateManager._start_fallback_proxy_if_needed = lambda *_: None


def dashboard_of_this_ray() -> str:
    """The URL of the dashboard of the Ray that this process is part of.

    Raises:
        RayChanged.
    """
    return f"http://{_private('ray._private.worker', 'get_dashboard_url').get_dashboard_url()}"


def log_driver_output() -> None:
    """Send what Ray prints to its driver's standard output to the log: commands print data on standard output.

    Raises:
        RayChanged.
    """
    worker = _private("ray._private.worker", "print_to_stdstream")

    def log(message: dict[str, Any], **_: object) -> None:
        for line in message.get("lines", ()):
            _LOG.info("Ray: %s", line)

    worker.print_to_stdstream = log
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


def _private(module: str, *names: str) -> Any:
    """A module of Ray, if it has the attribute that the names lead to.

    Raises:
        RayChanged.
    """
    import importlib

    try:
        found = importlib.import_module(module)
    except ImportError as exc:
        raise _changed(module) from exc
    part: Any = found
    for name in names:
        part = getattr(part, name, None)
    if part is None:
        raise _changed(".".join((module, *names)))
    return found


def _changed(part: str) -> RayChanged:
    import ray

    return RayChanged(part, ray.__version__)
