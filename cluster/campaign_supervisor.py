"""Keeps campaigns and restores running: resubmits a job that died or whose cluster stopped.

Both are rows in Postgres, and their jobs may die at any time. A job that another process has just submitted is not
checked for a while, so that no job is submitted twice. The delay grows with repeated failures. Blocking.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from storage.control.campaigns import CampaignEnded
from storage.control.restore_records import RestoreConflict
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)

#: Seconds after a submission or a check before a job is checked again.
_SETTLE_S = 15.0
#: Seconds until a job that died again is resubmitted: the initial and the maximum delay.
_FIRST_S, _LONGEST_S = 15.0, 600.0


class Supervised(Protocol):
    """An object with a job, such as `Campaign` and `Restore`."""

    @property
    def number(self) -> int: ...

    @property
    def runs(self) -> int: ...

    @property
    def job_id(self) -> str: ...


_S = TypeVar("_S", bound=Supervised)
_Row = TypeVar("_Row", bound=Supervised, covariant=True)


class Rows(Protocol[_Row]):
    """Their table, such as `Campaigns` and `Restores`. Blocking."""

    def running(self) -> Sequence[_Row]: ...


@dataclass(slots=True)
class _Known:
    """The last known state of a campaign, and the time of the next check of its job."""

    runs: int = -1
    wait_s: float = _FIRST_S
    not_before: float = 0.0


class CampaignSupervisor(Generic[_S]):
    """Ensures that every unfinished campaign (or restore) has a live job."""

    def __init__(
        self,
        campaigns: Rows[_S],
        start: Callable[[_S], _S],
        clock: Callable[[], float] = time.monotonic,
        what: str = "Campaign",
    ) -> None:
        """`start`: returns the campaign with a live job, submitting one if needed. `clock`: seconds."""
        self._campaigns, self._start, self._clock, self._what = campaigns, start, clock, what
        self._known: dict[int, _Known] = {}

    def look(self) -> list[int]:
        """Check all campaigns; return those whose job was submitted again.

        Raises:
            DatabaseUnreachable: the campaigns cannot be read.
        """
        running = {campaign.number: campaign for campaign in self._campaigns.running()}
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

    def _submitted_again(self, campaign: _S) -> bool:
        try:
            now = self._start(campaign)
        except (CampaignEnded, RestoreConflict):  # ended in the meantime
            return False
        except BackupError as exc:
            _LOG.warning("%s %d has no job that is alive: %s", self._what, campaign.number, exc)
            return False
        if now.runs == campaign.runs:
            return False
        _LOG.warning("%s %d continues as job %s, because its last job died", self._what, campaign.number, now.job_id)
        return True
