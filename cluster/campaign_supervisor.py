"""Sees to it that campaigns go on: a job that died, or that a former cluster took with it, is submitted again.

A campaign is a row in Postgres, and its job may die at any moment. A job that somebody is just submitting is left alone
for a while, so that it is not submitted twice; one that dies again and again is waited for ever longer. Blocking.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from storage.control.campaigns import Campaign, CampaignEnded, Campaigns
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)

#: Seconds after somebody submitted a job, or after a look at it, in which it is left alone.
_SETTLE_S = 15.0
#: Seconds until a job that died once more is submitted again: the first time, and at most.
_FIRST_S, _LONGEST_S = 15.0, 600.0


@dataclass(slots=True)
class _Known:
    """A campaign as the last look found it, and when its job is looked at again."""

    runs: int = -1
    wait_s: float = _FIRST_S
    not_before: float = 0.0


class CampaignSupervisor:
    """Has every campaign that has not ended worked on."""

    def __init__(
        self,
        campaigns: Campaigns,
        start: Callable[[Campaign], Campaign],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`start`: the campaign with a job that is alive, submitted if need be. `clock`: seconds."""
        self._campaigns, self._start, self._clock = campaigns, start, clock
        self._known: dict[int, _Known] = {}

    def look(self) -> list[int]:
        """The campaigns for which a job was submitted again.

        Raises:
            DatabaseUnreachable: the campaigns cannot be read.
        """
        running = {campaign.campaign_id: campaign for campaign in self._campaigns.running()}
        self._known = {campaign_id: known for campaign_id, known in self._known.items() if campaign_id in running}
        again = []
        for campaign_id, campaign in running.items():
            known = self._known.setdefault(campaign_id, _Known())
            if known.runs != campaign.runs:  # somebody is at it, just now
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
        except CampaignEnded:  # just now
            return False
        except BackupError as exc:
            _LOG.warning("Campaign %d has no job that is alive: %s", campaign.campaign_id, exc)
            return False
        if now.runs == campaign.runs:
            return False
        _LOG.warning("Campaign %d goes on as job %s: the one before it died", campaign.campaign_id, now.job_id)
        return True
