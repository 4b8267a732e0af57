"""cluster/ray_internals.py: an upgrade of Ray that moves its private parts fails here."""

from types import SimpleNamespace
from typing import Any

import pytest
from ray._private import parameter, services, worker
from ray._private.ray_constants import PROCESS_TYPE_DASHBOARD, PROCESS_TYPE_RAYLET
from ray.dashboard import utils
from ray.dashboard.subprocesses.module import SubprocessModule
from ray.serve._private.proxy_state import ProxyStateManager
from ray.serve._private.utils import call_function_from_import_path

from cluster import ray_internals
from cluster.ray_internals import (
    CONTROLLER_CALLBACK,
    RayChanged,
    dashboard_modules,
    local_parameters,
    log_driver_output,
    prepare_ray,
    prepare_serve,
)


@pytest.fixture(autouse=True)
def rays_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameter, "RayParams", parameter.RayParams)
    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    monkeypatch.setattr(services, "start_ray_process", services.start_ray_process)
    start = ProxyStateManager._start_fallback_proxy_if_needed
    monkeypatch.setattr(ProxyStateManager, "_start_fallback_proxy_if_needed", start)


def test_the_agent_of_the_dashboard_gets_a_free_port_and_helpers_are_not_started() -> None:
    local_parameters()
    local_parameters()  # a second cluster of the same process

    parameters = parameter.RayParams(num_cpus=1)
    assert (parameters.dashboard_agent_listen_port, parameters.no_monitor) == (0, True)
    assert parameters.include_log_monitor is False


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")  # in the modules of Ray
def test_the_dashboard_loads_the_modules_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, list[str]]] = []

    def start(command: list[str], process_type: str, **_: Any) -> None:
        started.append((process_type, command))

    monkeypatch.setattr(services, "start_ray_process", start)
    dashboard_modules()
    dashboard_modules()  # a second cluster of the same process
    for process_type in (PROCESS_TYPE_DASHBOARD, PROCESS_TYPE_RAYLET):
        services.start_ray_process(["x"], process_type, fate_share=True)

    (_, dashboard), (_, raylet) = started
    (modules,) = (word.partition("=")[2].split(",") for word in dashboard[1:])
    known = {module.__name__ for module in utils.get_all_modules(SubprocessModule)}
    assert {"JobHead", "StateHead"} <= set(modules) <= known
    assert raylet == ["x"]


def test_serves_controller_starts_no_fallback_proxy() -> None:
    call_function_from_import_path(CONTROLLER_CALLBACK)

    head: Any = SimpleNamespace(_head_node_id="node", _running_native_proxies=True, _fallback_proxy_state=None)
    ProxyStateManager._start_fallback_proxy_if_needed(head, "node", "127.0.0.1", "instance")
    assert head._fallback_proxy_state is None


def test_what_ray_prints_is_logged(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    log_driver_output()

    with caplog.at_level("INFO", logger=ray_internals.__name__):
        worker.print_to_stdstream({"lines": ["(task) a line"]}, ignore_prefix=True)

    assert "(task) a line" in caplog.text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("owner", "part"),
    [
        (worker, "print_to_stdstream"),
        (services, "start_ray_process"),
        (ProxyStateManager, "_start_fallback_proxy_if_needed"),
    ],
    ids=lambda each: str(getattr(each, "__name__", each)),
)
def test_a_ray_without_the_part_is_refused_by_name(owner: Any, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(owner, part)

    with pytest.raises(RayChanged, match=rf"\.{part}"):
        prepare_ray()
        prepare_serve()


def test_a_ray_without_a_parameter_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_internals, "_PARAMETERS", {"no_such_parameter": True})

    with pytest.raises(RayChanged, match="no_such_parameter"):
        local_parameters()
