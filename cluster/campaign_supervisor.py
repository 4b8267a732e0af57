"""Keeps campaigns running: submits the job of a campaign again if it died or if its cluster stopped.

A campaign is a row in Postgres, and its job may die at any time. A job that another process has just submitted is left
alone for a while, so that it is not submitted twice; after repeated failures the delay grows. Blocking.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from storage.control.campaigns import Campaign, CampaignEnded, Campaigns
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)

#: Seconds after a submission or a check during which a job is left alone.
_SETTLE_S = 15.0
#: Seconds until a job that died again is resubmitted: the initial and the maximum delay.
_FIRST_S, _LONGEST_S = 15.0, 600.0


@dataclass(slots=True)
class _Known:
    """The last known state of a campaign, and the time of the next check of its job."""

    runs: int = -1
    wait_s: float = _FIRST_S
    not_before: float = 0.0


class CampaignSupervisor:
    """Makes sure that every unfinished campaign has a live job."""

    def __init__(
        self,
        campaigns: Campaigns,
        start: Callable[[Campaign], Campaign],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`start`: returns the campaign with a live job, submitting one if needed. `clock`: seconds."""
        self._campaigns, self._start, self._clock = campaigns, start, clock
        self._known: dict[int, _Known] = {}

    def look(self) -> list[int]:
        """Check all campaigns; return those whose job was submitted again.

        Raises:
            DatabaseUnreachable: the campaigns cannot be read.
        """
        running = {campaign.campaign_id: campaign for campaign in self._campaigns.running()}
        self._known = {campaign_id: known for campaign_id, known in self._known.items() if campaign_id in running}
        again = []
        for campaign_id, campaign in running.items():
            known = self._known.setdefault(campaign_id, _Known())
            if known.runs != campaign.runs:  # another process has just submitted a job
                known.runs, known.not_before = campaign.runs, self._clock() + _SETTLE_S
            elif self._clock() >= known.not_before:
                known.not_before = self._clock() + _SETTLE_S
                if self._submitted_again(campaign):
                    known.runs = campaign.runs + 1
                    known.not_before = self._clock() + known.wait_s
                    known.wait_s = min(2 * known.wait_s, _LONGEST_S)
                    again.append(campaign_id)
        return again

    def _submitted_again(self, campaign: Campaign) -> bool:
        try:
            now = self._start(campaign)
        except CampaignEnded:  # ended in the meantime
            return False
        except BackupError as exc:
            _LOG.warning("Campaign %d has no job that is alive: %s", campaign.campaign_id, exc)
            return False
        if now.runs == campaign.runs:
            return False
        _LOG.warning("Campaign %d goes on as job %s: the one before it died", campaign.campaign_id, now.job_id)
        return True
