"""cluster/campaign_supervisor.py"""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from cluster.campaign_supervisor import CampaignSupervisor
from storage.control.campaigns import Campaign, CampaignEnded, CampaignState
from storage.errors import BackupError
from tests.unit.serve.fakes import Clock


class _Cluster:
    """Campaigns, and a Ray that runs their jobs until it loses one."""

    def __init__(self) -> None:
        self.campaigns = {1: _campaign(1, runs=1)}
        self.alive = {"backfill-1-1"}
        self.failure: BackupError | None = None
        self.clock = Clock()
        self.keeper = CampaignSupervisor(self, self.start, self.clock)

    def running(self) -> list[Campaign]:
        return [campaign for campaign in self.campaigns.values() if campaign.ended_at is None]

    def start(self, campaign: Campaign) -> Campaign:
        if self.failure is not None:
            raise self.failure
        if campaign.job_id not in self.alive:
            campaign = self.campaigns[campaign.campaign_id] = replace(campaign, runs=campaign.runs + 1)
            self.alive.add(campaign.job_id)
        return campaign

    def look(self, later_s: float) -> list[int]:
        self.clock.now += later_s
        return self.keeper.look()


def _campaign(number: int, runs: int) -> Campaign:
    state, now = CampaignState.RUNNING, datetime.now(UTC)
    return Campaign(number, "incremental", state, "ada@example.com", runs, now, None, 3, 0, 0)


@pytest.fixture
def cluster() -> _Cluster:
    return _Cluster()


def test_a_job_that_lives_is_left_alone(cluster: _Cluster) -> None:
    assert [cluster.look(60) for _ in range(3)] == [[], [], []]
    assert cluster.alive == {"backfill-1-1"}


def test_a_job_that_died_is_submitted_again(cluster: _Cluster) -> None:
    cluster.look(0)
    cluster.alive.clear()

    assert cluster.look(60) == [1]
    assert cluster.alive == {"backfill-1-2"}
    assert cluster.look(60) == []


def test_a_campaign_whose_job_is_just_being_submitted_is_left_alone(cluster: _Cluster) -> None:
    cluster.campaigns[2] = _campaign(2, runs=0)

    assert [cluster.look(2) for _ in range(4)] == [[]] * 4
    cluster.campaigns[2] = _campaign(2, runs=1)
    cluster.alive.add("backfill-2-1")
    assert cluster.look(60) == cluster.look(60) == []


def test_a_job_that_dies_again_and_again_is_waited_for_ever_longer(cluster: _Cluster) -> None:
    submitted, looks = [], 0
    for looks in range(600):
        cluster.alive.clear()
        if cluster.look(2):
            submitted.append(looks)

    waits = [later - earlier for earlier, later in pairwise(submitted)]
    assert looks == 599 and len(submitted) >= 5
    assert waits == sorted(waits) and waits[-1] >= 4 * waits[0]


def test_one_that_cannot_be_started_does_not_hold_up_the_others(cluster: _Cluster) -> None:
    cluster.look(0)
    cluster.failure = CampaignEnded(1, "complete")
    assert cluster.look(60) == []

    cluster.failure, cluster.alive = BackupError("Ray does not answer"), set()
    assert cluster.look(60) == []
    cluster.failure = None
    assert cluster.look(60) == [1]


def test_a_campaign_that_has_ended_is_forgotten(cluster: _Cluster) -> None:
    cluster.look(0)
    cluster.campaigns.clear()
    cluster.alive.clear()

    assert cluster.look(60) == []
