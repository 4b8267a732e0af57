"""cluster/submitting.py"""

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from cluster.session import RayUnavailable
from cluster.submitting import Job, JobRefused


class _Client:
    """Ray's client, whose job has a state or whose call fails."""

    def __init__(self, state: str | Exception) -> None:
        self._state = state

    def get_job_status(self, _job_id: str) -> Any:
        if isinstance(self._state, Exception):
            raise self._state
        return SimpleNamespace(value=self._state)

    def get_job_logs(self, _job_id: str) -> str:
        return "first\nlast\n"


@pytest.mark.parametrize(("state", "has_ended"), [("RUNNING", False), ("SUCCEEDED", True)])
def test_a_job_has_ended_when_ray_says_so(state: str, has_ended: bool) -> None:
    assert Job("one", _Client(state)).ended() is has_ended


def test_a_failed_job_is_named_with_the_end_of_its_log() -> None:
    with pytest.raises(JobRefused, match=r"one failed \(last\)"):
        Job("one", _Client("FAILED")).ended()


def test_a_cluster_that_has_ended_is_told_in_words() -> None:
    with pytest.raises(RayUnavailable, match="does not answer any more"):
        Job("one", _Client(requests.exceptions.ConnectionError("refused"))).ended()


def test_a_job_that_ray_does_not_know_has_failed() -> None:
    with pytest.raises(JobRefused, match="Job one does not exist"):
        Job("one", _Client(RuntimeError("Job one does not exist"))).ended()
