"""Requests the mailboxes of a new campaign from the owners while the Ray Job is starting (3 to 5 s).

The job remains responsible: it requests the same mailboxes, without effect on active ones, retries, records
and cancels. The job also handles whatever fails here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from actors.decisions import Mode
from cluster.sync_requests import WAVE, by_shard
from storage.control.campaigns import Campaign, Campaigns, CampaignState
from storage.errors import BackupError
from storage.model.records import User

_LOG = logging.getLogger(__name__)
#: Seconds between two checks for new campaigns: one index lookup in the control database.
_POLL_S = 0.2

_RUNNING = CampaignState.RUNNING

Request = Callable[[User, Mode], Awaitable[None]]


class CampaignStarts:
    """Follows the campaigns that begin after this object was created."""

    def __init__(self, campaigns: Campaigns, request: Request) -> None:
        """`request`: requests a sync from the owner of a mailbox's shard."""
        self._campaigns, self._request = campaigns, request
        self._newest: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Check for new campaigns, without end."""
        try:
            while True:
                try:
                    await self.look()
                except BackupError as exc:
                    _LOG.debug("New campaigns wait for their jobs: %s", exc)
                await asyncio.sleep(_POLL_S)
        finally:
            for task in self._tasks:
                task.cancel()

    async def look(self) -> list[int]:
        """Start requests for the mailboxes of campaigns that are new since the last check; return the campaigns' ids.

        The first check only records the newest campaign: cluster/campaign_supervisor.py resubmits older ones.
        """
        if self._newest is None:
            self._newest = await asyncio.to_thread(self._campaigns.newest_id)
            return []
        begun = await asyncio.to_thread(self._campaigns.begun_after, self._newest)
        for campaign in begun:
            self._newest = max(self._newest, campaign.campaign_id)
            members = await asyncio.to_thread(self._campaigns.members, campaign.campaign_id)
            pending = [member.user for member in members if member.state == "pending"]
            for users in by_shard(pending).values():
                task = asyncio.ensure_future(self._ask(campaign, users[:WAVE]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return [campaign.campaign_id for campaign in begun]

    async def finished(self) -> None:
        """Wait until every request of the last checks has ended."""
        await asyncio.gather(*self._tasks)

    async def _ask(self, campaign: Campaign, users: Sequence[User]) -> None:
        for user in users:
            try:
                # A campaign that was cancelled meanwhile stops only the mailboxes that are active by then.
                if (await asyncio.to_thread(self._campaigns.get, campaign.campaign_id)).state is not _RUNNING:
                    return
                await self._request(user, Mode(campaign.mode))
            except BackupError as exc:  # paused, or its owner is being replaced: the job reports it
                _LOG.debug("%s waits for the job of campaign %d: %s", user.email, campaign.campaign_id, exc)
