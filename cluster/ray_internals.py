"""The two places where the project changes Ray's private parts, because Ray has no public setting for them.

`cluster/session.py` calls both before `ray.init`. A Ray that lacks these parts is refused by name (`RayChanged`) before
anything starts: an upgrade of Ray fails in tests/integration/cluster/test_ray_internals.py, not in an installation.
Checked with Ray 2.60.
"""

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


class _FreeAgentPort:
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{"dashboard_agent_listen_port": 0, **arguments})


def free_agent_port() -> None:
    """Make `ray.init` choose a free port for the dashboard's agent.

    `ray.init` has no argument for it, and the default (52365) is one for the whole machine: the agent of a second Ray
    would not start, and no job could be submitted to it.

    Raises:
        RayChanged.
    """
    parameter = _private("parameter", "RayParams")
    if not issubclass(parameter.RayParams, _FreeAgentPort):
        parameter.RayParams = type("RayParams", (_FreeAgentPort, parameter.RayParams), {})


def log_driver_output() -> None:
    """Send what Ray prints to its driver's standard output to the log: commands print data on standard output.

    Raises:
        RayChanged.
    """
    worker = _private("worker", "print_to_stdstream")

    def log(message: dict[str, Any], **_: object) -> None:
        for line in message.get("lines", ()):
            _LOG.info("Ray: %s", line)

    worker.print_to_stdstream = log
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


def _private(module: str, name: str) -> Any:
    """The module ray._private.MODULE, if it has NAME."""
    import importlib

    import ray

    part = f"ray._private.{module}"
    try:
        found = importlib.import_module(part)
    except ImportError as exc:
        raise RayChanged(part, ray.__version__) from exc
    if not hasattr(found, name):
        raise RayChanged(f"{part}.{name}", ray.__version__)
    return found
