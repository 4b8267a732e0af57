"""Starts campaigns as Ray Jobs and shows their progress."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Task as ProgressTask
from rich.text import Text

from actors.decisions import Mode
from cluster.console import count, notes
from cluster.disk_forecast import disk_forecast
from cluster.home import Home
from cluster.progress import Progress as Look
from cluster.progress import Watch, members_of
from cluster.stores import Stores
from cluster.submitting import Job, submit_campaign
from cluster.waiting import WAITS_SHOWN, JobWatch, WaitingBar
from jobs.gmail.quota_costs import PROFILES
from jobs.rendering.units import size
from storage.control.campaigns import Campaign, CampaignEnded, Campaigns, Member, missing_of
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.model.records import User
from storage.model.wait_reasons import WaitKind

_POLL_S = 0.25
#: Maximum number of mailboxes whose errors are listed at the end.
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """The result of a backfill while it was watched. Totals count stored messages.

    missing: listed messages that are not stored; `gbm failures` has the reasons.
    seconds: from the first progress to the last commit; starting_s: the start of the job before that.
    """

    campaign_id: int
    job_id: str
    seconds: float
    starting_s: float
    messages: int
    size_bytes: int
    units: int
    total_messages: int
    total_bytes: int
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """The mailboxes' counts before a campaign; only the counts of `look` are valid. at: monotonic seconds."""

    look: Look
    at: float

    @classmethod
    def of(cls, stores: Stores, users: Sequence[User]) -> "Baseline":
        """The present state of these mailboxes."""
        return cls(Watch(stores, [Member(user) for user in users]).look(), time.monotonic())


class BackfillIncomplete(BackupError):
    """Some mailboxes could not be completed. Correct the listed errors, then run it again."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        shown = " ".join(self.errors[:_SHOWN])
        more = f" And {len(self.errors) - _SHOWN} more: see `gbm accounts list`." if len(self.errors) > _SHOWN else ""
        return f"Not every mailbox is complete. {shown}{more}"


class BackfillTimedOut(BackupError):
    """The backfill did not end before the timeout. It continues; correct the listed reasons."""

    def __init__(self, campaign_id: int, timeout_s: float, waits: Sequence[str]) -> None:
        super().__init__(campaign_id, timeout_s, waits)
        self.campaign_id, self.timeout_s, self.waits = campaign_id, timeout_s, waits

    def __str__(self) -> str:
        reason = f" It waits: {'; '.join(self.waits[:WAITS_SHOWN])}." if self.waits else " Nothing holds it back."
        return f"Campaign {self.campaign_id} has not ended after {self.timeout_s:.0f} s and continues.{reason}"


def backfill(
    stores: Stores,
    dashboard: str,
    users: Sequence[User],
    wait: bool,
    mode: Mode,
    requested_by: str = "command line",
    timeout_s: float | None = None,
) -> BackfillResult | None:
    """Submit a campaign over these mailboxes, or join the same one that runs; with `wait`, show it until it ends.

    Ctrl-C ends the display, not the campaign.

    Raises:
        BackfillIncomplete, JobRefused, RayUnavailable.
    """
    campaigns = Campaigns(stores.databases.control)
    baseline = Baseline.of(stores, users)  # the owners begin as soon as the campaign exists (campaign_starts.py)
    campaign, new = campaigns.begin(mode.value, members_of(stores, users), requested_by)
    if not new:
        notes.print(f"Joining the running campaign {campaign.campaign_id} for the same mailboxes.")
    job = start(stores, dashboard, campaign)
    if not wait:
        notes.print(
            f"Campaign {campaign.campaign_id} runs as job {job.job_id}. To follow it: gbm backfill --list; {dashboard}"
        )
        return None
    result = show(stores, campaign.campaign_id, job, timeout_s, baseline)
    if new:
        return result
    # The joined campaign may have read a mailbox before the latest change: another campaign covers that change.
    baseline = Baseline.of(stores, users)
    campaign, _ = campaigns.begin(mode.value, members_of(stores, users), requested_by)
    job = start(stores, dashboard, campaign)
    return _both(result, show(stores, campaign.campaign_id, job, timeout_s, baseline))


def _both(joined: BackfillResult, own: BackfillResult) -> BackfillResult:
    """The result of a command that waited for two campaigns, one after the other."""
    return replace(
        own,
        seconds=joined.seconds + own.seconds,
        starting_s=joined.starting_s,
        messages=joined.messages + own.messages,
        size_bytes=joined.size_bytes + own.size_bytes,
        units=joined.units + own.units,
    )


def start(stores: Stores, dashboard: str, campaign: Campaign) -> Job:
    """The live job of a campaign, submitted if needed.

    Raises:
        RayUnavailable, JobRefused, CampaignEnded.
    """
    campaigns = Campaigns(stores.databases.control)
    return submit_campaign(stores.home, dashboard, campaign_command(stores.home), campaigns, campaign)[1]


def campaign_command(home: Home) -> list[str]:
    """The command that runs a campaign, without the campaign's id."""
    return [sys.executable, "-m", "cluster.campaign", "--home", str(home.root), "--campaign"]


def show(
    stores: Stores, campaign_id: int, job: Job, timeout_s: float | None = None, baseline: Baseline | None = None
) -> BackfillResult:
    """Show a campaign's progress and wait reasons until it ends. Survives a restart of PostgreSQL.

    Args:
        timeout_s: seconds after which the display ends and the campaign continues. None: no limit.
        baseline: the state with which the result is compared; None: the present state.

    Raises:
        BackfillIncomplete, BackfillTimedOut, JobRefused.
    """
    campaigns = Campaigns(stores.databases.control)
    campaign, members = campaigns.get(campaign_id), campaigns.members(campaign_id)
    watch = Watch(stores, members, campaign.mode != Mode.INCREMENTAL)
    look, shown_at = watch.look(), time.monotonic()
    baseline = baseline or Baseline(look, shown_at)
    before, started = baseline.look, baseline.at
    began = shown_at if look.units > before.units else None
    jobs = JobWatch(campaigns, campaign_id, job)
    with _bar(stores, before) as bar:
        task = bar.add_task("Starting the job", total=None, look=before)
        announced = False
        while not look.ended:
            waits, look = _look(watch, look)
            if look.sized and not look.ended and not announced:
                announced = True
                _tell_disk(stores, look)
            bar.show_waits(waits)
            if began is None and (look.ended or look.units > before.units):
                began = time.monotonic()
                bar.reset(task, description="Backing up")
            bar.update(task, total=look.estimate or None, completed=look.messages, look=look)
            if timeout_s is not None and not look.ended and time.monotonic() - shown_at > timeout_s:
                raise BackfillTimedOut(campaign_id, timeout_s, waits)
            if not look.ended and jobs.ended():
                look = watch.look()
                break
            time.sleep(_POLL_S)
    ended = time.monotonic()
    began = began or ended
    # Known only to the job, for example that a mailbox is paused.
    recorded = {member.user.user_id: member.error for member in campaigns.members(campaign_id) if member.error}
    if errors := {**recorded, **look.errors}:
        raise BackfillIncomplete([*errors.values()])
    if not look.ended:
        raise CampaignEnded(campaign_id, campaigns.get(campaign_id).state)
    return BackfillResult(
        campaign_id=campaign_id,
        job_id=jobs.job_id,
        seconds=ended - began,
        starting_s=began - started,
        messages=look.messages - before.messages,
        size_bytes=look.size_bytes - before.size_bytes,
        units=look.units - before.units,
        total_messages=look.messages,
        total_bytes=look.size_bytes,
        missing=missing_of(stores.databases, stores.shards, [member.user for member in members]),
    )


def _tell_disk(stores: Stores, look: Look) -> None:
    """Print how much disk the rest of the mail needs."""
    free_bytes = stores.blobs.free_bytes() - stores.config.archive.reserve_bytes
    if forecast := disk_forecast(look.messages, look.size_bytes, look.estimate, free_bytes):
        notes.print(str(forecast), style="" if forecast.fits else "yellow")


def _look(watch: Watch, last: Look) -> tuple[tuple[str, ...], Look]:
    """The wait reasons and the progress; while PostgreSQL is unavailable, the last known progress."""
    try:
        look = watch.look()
    except DatabaseUnreachable as exc:
        return (f"{WaitKind.DATABASE_UNREACHABLE.value}: {exc}",), last
    return tuple(str(reason) for reason in look.waits), look


def _bar(stores: Stores, before: Look) -> WaitingBar:
    per_minute = PROFILES[stores.config.gmail.profile].units_per_minute_per_user
    return WaitingBar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        _Figures(before, per_minute),
        TimeElapsedColumn(),
        console=notes,
        refresh_per_second=4,
    )


class _Figures(ProgressColumn):
    """Messages, MB, messages per second, quota used, time left."""

    def __init__(self, before: Look, units_per_minute: int | None) -> None:
        super().__init__()
        self._before, self._units_per_minute = before, units_per_minute

    def render(self, task: ProgressTask) -> Text:
        look: Look = task.fields["look"]
        seconds = max(task.elapsed or 0.0, 0.001)
        rate = (look.messages - self._before.messages) / seconds
        units = look.units - self._before.units
        quota = f"{count(units)} units"
        if self._units_per_minute:
            mailboxes = max(len(look.pending), 1)
            quota += f" ({units / seconds * 60 / (self._units_per_minute * mailboxes):.0%} of the quota)"
        left = f"{(look.estimate - look.messages) / rate:.0f} s left" if rate > 0 else "…"
        figures = (
            f"{count(look.messages)}/{count(look.estimate)} · {size(look.size_bytes)} · {count(rate)} msg/s · "
            f"{quota} · {left}"
        )
        trouble = f" · {look.trouble}" if look.trouble and not look.waits else ""
        return Text(figures + trouble, no_wrap=True, overflow="ellipsis")
