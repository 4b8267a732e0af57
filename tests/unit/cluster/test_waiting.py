"""cluster/waiting.py"""

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
from rich.console import Console

from cluster.submitting import Job, JobRefused
from cluster.waiting import JobWatch, WaitingBar
from storage.control.campaigns import Campaign, Campaigns, CampaignState
from storage.db.engines import DatabaseUnreachable

_FIRST = "disk_full: 7 MiB are free (since 10:00:00 UTC, 2 tries); free space"
_AGAIN = "disk_full: 7 MiB are free (since 10:00:00 UTC, 9 tries); free space"


def test_without_a_terminal_every_change_is_one_line() -> None:
    text = io.StringIO()
    bar = WaitingBar(console=Console(file=text))
    for waits in ([], [_FIRST], [_AGAIN], [_AGAIN], []):
        bar.show_waits(waits)

    assert text.getvalue().splitlines() == [f"waits: {_FIRST}", "continues"]


def test_on_a_terminal_the_reasons_stand_below_the_bar() -> None:
    text = io.StringIO()
    bar = WaitingBar(console=Console(file=text, force_terminal=True, width=120))
    bar.show_waits([_FIRST])

    assert text.getvalue() == ""
    assert [str(line) for line in bar.get_renderables()][1:] == [f"waits: {_FIRST}"]


class _Campaigns:
    """One campaign, and a Ray whose jobs die."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.campaign = Campaign(1, "incremental", CampaignState.RUNNING, "ada@example.com", 1, now, None, 3, 0, 0)
        self.away = False
        self.dead = set[str]()

    def get(self, campaign_id: int) -> Campaign:
        if self.away:
            raise DatabaseUnreachable("127.0.0.1", "refused")
        return self.campaign


class _Job:
    def __init__(self, ray: _Campaigns, job_id: str) -> None:
        self._ray, self.job_id = ray, job_id

    def another(self, job_id: str) -> "_Job":
        return _Job(self._ray, job_id)

    def ended(self) -> bool:
        if self.job_id in self._ray.dead:
            raise JobRefused(self.job_id, "killed")
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("cluster.waiting.time.monotonic", lambda: now[0])
    return now


def _watch(ray: _Campaigns) -> JobWatch:
    return JobWatch(cast(Campaigns, ray), 1, cast(Job, _Job(ray, ray.campaign.job_id)))


def test_a_job_that_died_is_waited_for_until_another_takes_its_place(clock: list[float]) -> None:
    ray = _Campaigns()
    watch = _watch(ray)
    ray.dead.add(ray.campaign.job_id)
    for _ in range(5):
        clock[0] += 10
        assert not watch.ended()

    ray.campaign = replace(ray.campaign, runs=2)
    clock[0] += 10
    assert not watch.ended()
    assert watch.job_id == ray.campaign.job_id

    ray.dead.add(ray.campaign.job_id)
    with pytest.raises(JobRefused):  # none did
        for _ in range(30):
            clock[0] += 10
            watch.ended()


def test_a_database_that_is_away_ends_no_wait_and_an_ended_campaign_does(clock: list[float]) -> None:
    ray = _Campaigns()
    watch = _watch(ray)
    ray.away = True
    clock[0] += 10
    assert not watch.ended()

    ray.away, ray.campaign = False, replace(ray.campaign, ended_at=datetime.now(UTC))
    assert not watch.ended(), "it was looked at just now"
    clock[0] += 10
    assert watch.ended()
