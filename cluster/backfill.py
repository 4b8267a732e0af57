"""Starts a backfill as a Ray Job and shows how far it is."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Task as ProgressTask
from rich.text import Text

from cluster.console import count, notes, size
from cluster.progress import Progress as Look
from cluster.progress import Watch
from cluster.session import submit
from cluster.stores import Stores
from jobs.gmail.quota_costs import PROFILES
from storage.errors import BackupError
from storage.records import User

_POLL_S = 0.25
_ASK_JOB_S = 2.0
_MODULE = "cluster.campaign"


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What a backfill did. Counts are of this backfill, totals are what is stored.

    seconds: from the first sign of work to the last commit; starting_s: what the job took to start before that.
    """

    job_id: str
    seconds: float
    starting_s: float
    messages: int
    size_bytes: int
    units: int
    total_messages: int
    total_bytes: int
    errors: dict[str, str]


class BackfillIncomplete(BackupError):
    """Some mailboxes could not be completed. Mend what each says, then run it again."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "Not every mailbox is complete. " + " ".join(self.errors.values())


def backfill(stores: Stores, dashboard: str, users: Sequence[User], wait: bool, full: bool) -> BackfillResult | None:
    """Submit a backfill of these mailboxes; with `wait`, show its progress until it ends.

    Args:
        full: list mailboxes that are complete anew, instead of following their changes.

    Ctrl-C while waiting stops the showing, not the backfill.

    Raises:
        BackfillIncomplete, JobRefused, RayUnavailable.
    """
    watch = Watch(stores, users)
    before = watch.look()
    started = time.monotonic()
    job_id = f"backfill-{uuid.uuid4().hex[:12]}"
    job = submit(
        stores.home,
        dashboard,
        job_id,
        _MODULE,
        ["--home", str(stores.home.root), *(["--full"] if full else []), *(user.email for user in users)],
    )
    if not wait:
        notes.print(f"Job {job_id} was submitted: see {dashboard}, or `gbm status`.")
        return None
    with _bar(stores, before) as bar:
        task = bar.add_task("Starting the job", total=None, look=before)
        look, began, asked = before, None, started
        while not look.ended:
            look = watch.look()
            if began is None and (look.ended or look.units > before.units):
                began = time.monotonic()
                bar.reset(task, description="Backing up")
            bar.update(task, total=look.estimate or None, completed=look.messages, look=look)
            if not look.ended and time.monotonic() - asked > _ASK_JOB_S:
                asked = time.monotonic()
                if job.ended():
                    look = watch.look()
                    break
            time.sleep(_POLL_S)
    ended = time.monotonic()
    began = began or ended
    if look.errors:
        raise BackfillIncomplete(look.errors)
    return BackfillResult(
        job_id=job_id,
        seconds=ended - began,
        starting_s=began - started,
        messages=look.messages - before.messages,
        size_bytes=look.size_bytes - before.size_bytes,
        units=look.units - before.units,
        total_messages=look.messages,
        total_bytes=look.size_bytes,
        errors=look.errors,
    )


def _bar(stores: Stores, before: Look) -> Progress:
    per_minute = PROFILES[stores.config.gmail.quota_profile].units_per_minute_per_user
    return Progress(
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
        trouble = f" · {look.trouble}" if look.trouble else ""
        return Text(figures + trouble, no_wrap=True, overflow="ellipsis")
