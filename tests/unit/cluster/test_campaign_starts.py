"""cluster/campaign_starts.py"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from actors.decisions import Mode
from cluster.campaign_starts import CampaignStarts
from cluster.sync_requests import WAVE
from storage.control.accounts import MailboxPaused
from storage.control.campaigns import Campaign, CampaignState, Member
from storage.model.records import User


class _Campaigns:
    """Campaigns in memory."""

    def __init__(self) -> None:
        self.all: dict[int, tuple[Campaign, list[Member]]] = {}

    def begin(self, campaign_id: int, members: Sequence[Member], mode: Mode = Mode.INCREMENTAL) -> None:
        now, running = datetime.now(UTC), CampaignState.RUNNING
        campaign = Campaign(campaign_id, mode.value, running, "ada@example.com", 0, now, None, len(members), 0, 0)
        self.all[campaign_id] = (campaign, list(members))

    def get(self, campaign_id: int) -> Campaign:
        return self.all[campaign_id][0]

    def cancel(self, campaign_id: int) -> None:
        campaign, members = self.all[campaign_id]
        self.all[campaign_id] = (replace(campaign, state=CampaignState.CANCELLED), members)

    def newest_id(self) -> int:
        return max(self.all, default=0)

    def begun_after(self, campaign_id: int) -> list[Campaign]:
        return [campaign for number, (campaign, _) in self.all.items() if number > campaign_id]

    def members(self, campaign_id: int) -> list[Member]:
        return self.all[campaign_id][1]


class _Owners:
    """Owners of shards that note what they are asked; one mailbox is paused."""

    def __init__(self, paused: int | None = None) -> None:
        self.asked: list[tuple[int, Mode]] = []
        self._paused = paused

    async def request(self, user: User, mode: Mode) -> None:
        if user.user_id == self._paused:
            raise MailboxPaused(user.email)
        self.asked.append((user.user_id, mode))


def _member(user_id: int, shard_id: int = 0, state: str = "pending") -> Member:
    return Member(User(user_id, f"user{user_id}@example.com", shard_id), state=state)


async def test_the_mailboxes_of_a_new_campaign_are_asked_for_once() -> None:
    campaigns, owners = _Campaigns(), _Owners()
    campaigns.begin(1, [_member(9)])
    starts = CampaignStarts(cast(Any, campaigns), owners.request)
    assert await starts.look() == []

    campaigns.begin(2, [_member(1), _member(2, shard_id=1), _member(3, state="done")], Mode.FULL)
    assert [await starts.look(), await starts.look()] == [[2], []]
    await starts.finished()

    assert sorted(owners.asked) == [(1, Mode.FULL), (2, Mode.FULL)]


async def test_a_mailbox_that_is_paused_delays_no_other() -> None:
    campaigns, owners = _Campaigns(), _Owners(paused=1)
    starts = CampaignStarts(cast(Any, campaigns), owners.request)
    await starts.look()
    campaigns.begin(1, [_member(1), _member(2)])

    await starts.look()
    await starts.finished()

    assert owners.asked == [(2, Mode.INCREMENTAL)]


async def test_an_owner_hears_of_one_wave_and_the_job_asks_for_the_rest() -> None:
    campaigns, owners = _Campaigns(), _Owners()
    starts = CampaignStarts(cast(Any, campaigns), owners.request)
    await starts.look()
    campaigns.begin(1, [_member(number) for number in range(WAVE + 5)])

    await starts.look()
    await starts.finished()

    assert len(owners.asked) == WAVE


async def test_no_owner_is_asked_for_a_campaign_that_was_cancelled() -> None:
    campaigns = _Campaigns()
    asked: list[int] = []

    async def request(user: User, _mode: Mode) -> None:
        asked.append(user.user_id)
        campaigns.cancel(1)

    starts = CampaignStarts(cast(Any, campaigns), request)
    await starts.look()
    campaigns.begin(1, [_member(1), _member(2), _member(3)])

    await starts.look()
    await starts.finished()

    assert asked == [1]
