"""The gateway under load: replicas come and go, and a killed one costs at most what it held."""

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.processes import environment, gbm


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("wrk") is None, reason="the load comes from wrk")
def test_replicas_come_with_the_load_go_without_it_and_a_killed_one_costs_what_it_held(home: Path) -> None:
    done = gbm("bench", "serve", "--messages", "2000", "--seconds", "2", "--json", env=environment(home), timeout_s=360)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["replicas"] == [1, 3, 1]
    assert told["healed_s"] is not None, "the killed replica was replaced under load"
    assert told["killed_failed"] <= told["killed_held"]
    assert [load["failed"] for load in told["loads"] if "304" not in load["what"]] == [0] * (len(told["loads"]) - 1)
