"""cluster/ray_internals.py: an upgrade of Ray that moves its private parts fails here."""

import pytest
from ray._private import parameter, worker

from cluster import ray_internals
from cluster.ray_internals import RayChanged, free_agent_port, log_driver_output


@pytest.fixture(autouse=True)
def rays_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameter, "RayParams", parameter.RayParams)
    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)


def test_the_agent_of_the_dashboard_gets_a_free_port() -> None:
    free_agent_port()
    free_agent_port()  # a second cluster of the same process

    assert parameter.RayParams(num_cpus=1).dashboard_agent_listen_port == 0


def test_what_ray_prints_is_logged(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    log_driver_output()

    with caplog.at_level("INFO", logger=ray_internals.__name__):
        worker.print_to_stdstream({"lines": ["(task) a line"]}, ignore_prefix=True)

    assert "(task) a line" in caplog.text
    assert capsys.readouterr().out == ""


def test_a_ray_without_the_part_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(worker, "print_to_stdstream")

    with pytest.raises(RayChanged, match=r"ray\._private\.worker\.print_to_stdstream"):
        log_driver_output()
