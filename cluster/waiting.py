"""The display of `--wait` beside the progress: wait reasons, and whether the campaign's job is alive."""

import time
from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.progress import Progress
from rich.text import Text

from cluster.submitting import Job, JobRefused
from storage.control.campaigns import Campaigns
from storage.db.engines import DatabaseUnreachable

#: Maximum number of wait reasons shown.
WAITS_SHOWN = 5
#: Seconds between two checks of the job.
_LOOK_S = 2.0
#: Seconds within which a dead job must have a successor.
_RESUBMIT_S = 120.0


class WaitingBar(Progress):
    """A progress bar with the wait reasons below it; without a terminal, a line per change."""

    _waits: Sequence[str] = ()
    _shown_kinds: Sequence[str] = ()

    def show_waits(self, waits: Sequence[str]) -> None:
        """Show these reasons."""
        self._waits = waits[:WAITS_SHOWN]
        kinds = [reason.partition(" (since")[0] for reason in self._waits]
        if not self.console.is_terminal:
            for reason, kind in zip(self._waits, kinds, strict=True):
                if kind not in self._shown_kinds:
                    self.console.print(f"waits: {reason}", markup=False, highlight=False, soft_wrap=True)
            if self._shown_kinds and not kinds:
                self.console.print("continues", markup=False)
        self._shown_kinds = kinds

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar and the reasons."""
        yield from super().get_renderables()
        yield from (Text(f"waits: {reason}") for reason in self._waits)


class JobWatch:
    """Whether a campaign has ended. Its job may die and be resubmitted (cluster/campaign_supervisor.py)."""

    def __init__(self, campaigns: Campaigns, campaign_id: int, job: Job) -> None:
        self._campaigns, self._campaign_id, self._job = campaigns, campaign_id, job
        self._looked_at = time.monotonic()
        self._dead_since: float | None = None

    @property
    def job_id(self) -> str:
        """The last job."""
        return self._job.job_id

    def ended(self) -> bool:
        """Whether the campaign, or its job, has ended; checked every `_LOOK_S`.

        Raises:
            JobRefused: the job died without a successor in time.
        """
        now = time.monotonic()
        if now - self._looked_at < _LOOK_S:
            return False
        self._looked_at = now
        try:
            campaign = self._campaigns.get(self._campaign_id)
        except DatabaseUnreachable:
            return False
        if campaign.ended_at is not None:
            return True
        if campaign.job_id != self._job.job_id:
            self._job, self._dead_since = self._job.another(campaign.job_id), None
        try:
            return self._job.ended()
        except JobRefused:
            self._dead_since = self._dead_since if self._dead_since is not None else now
            if now - self._dead_since > _RESUBMIT_S:
                raise
            return False
