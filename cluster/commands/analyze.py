"""`gbm analyze`: analyse stored mail with new or newer analysers."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings

if TYPE_CHECKING:
    from cluster.stores import Stores
    from cluster.submitting import Job
    from jobs.reanalysis import Analysers

Emails = Annotated[list[str] | None, typer.Argument(help="Addresses of mailboxes.")]
All = Annotated[bool, typer.Option("--all", help="Every mailbox.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Only this analyser; may be repeated.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress until the end; Ctrl-C leaves the job running.")]
Json = Annotated[bool, typer.Option("--json", help="Print the analysed segments as JSON; implies --wait.")]

_POLL_S = 0.5
#: Shard -> only segments with mail of these users; None means all segments.
Wanted = Mapping[int, "list[int] | None"]


@command
def analyze(
    emails: Emails = None, everybody: All = False, only: Only = None, wait: Wait = False, json: Json = False
) -> None:
    """Analyse stored mail that lacks results of the current analysers.

    New mail is analysed when it is stored; use this after you add or update an analyser. A Ray Job processes segment by
    segment while sync continues. A segment is analysed as a whole, including mail of other users in it. No mail is
    fetched or rewritten. Finished segments are skipped, so it is safe to repeat, also after a crash.

    Example: gbm analyze --all --wait
    """
    from jobs.analysis.running import configured
    from jobs.reanalysis import NoSuchAnalyser

    if bool(emails) == everybody:
        fail("No mailbox to analyse: name mailboxes, or give --all.")
    with open_stores(settings()) as stores:
        analysers = configured(stores.config.analysis)
        if analysers is None:
            fail("All analysers are disabled: remove names from GBM_ANALYSIS__DISABLED.")
        if unknown := sorted({*(only or ())} - {*analysers.versions}):
            raise NoSuchAnalyser(unknown[0])
        wanted = _wanted(stores, emails or ())
        before = _outdated(stores, wanted, analysers, only or ())
        dashboard = str(stores.home.recorded()["dashboard"])
        job = _submit(stores, dashboard, wanted, only or ()) if any(before.values()) else None
        if job is not None and (wait or json):
            _follow(stores, job, wanted, analysers, only or ())
        left = _outdated(stores, wanted, analysers, only or ()) if wait or json else before
    done = {shard: max(len(before[shard]) - len(left[shard]), 0) for shard in sorted(before)}
    if json:
        shards = [{"shard_id": shard, "segments": segments} for shard, segments in done.items()]
        print_json({"job_id": job.job_id if job else None, "shards": shards})
    elif job is None:
        notes.print("All mail is analysed already.")
    elif wait:
        out.print(f"{sum(done.values())} segments analysed")
    else:
        messages = sum(sum(segments.values()) for segments in before.values())
        notes.print(f"Job {job.job_id} analyses {count(messages)} messages.")


def _wanted(stores: "Stores", emails: Sequence[str]) -> Wanted:
    if not emails:
        return dict.fromkeys(sorted(stores.shards))
    wanted: dict[int, list[int] | None] = {}
    for email in emails:
        user = stores.control.user(email)
        wanted[user.shard_id] = [*(wanted.get(user.shard_id) or []), user.user_id]
    return wanted


def _outdated(
    stores: "Stores", wanted: Wanted, analysers: "Analysers", only: Sequence[str]
) -> dict[int, dict[str, int]]:
    """Shard -> segments to analyse -> number of messages."""
    return {
        shard_id: {
            segment.name: segment.messages
            for segment in stores.catalog_of(shard_id).analysed(shard_id, user_ids)
            if analysers.outdated(segment.versions, only)
        }
        for shard_id, user_ids in wanted.items()
    }


def _submit(stores: "Stores", dashboard: str, wanted: Wanted, only: Sequence[str]) -> "Job":
    from cluster.analysis import argument
    from cluster.submitting import submit_job

    names = [part for name in only for part in ("--only", name)]
    shards = [argument(shard_id, user_ids) for shard_id, user_ids in wanted.items()]
    entry = [sys.executable, "-m", "cluster.analysis", "--home", str(stores.home.root), *names, *shards]
    return submit_job(stores.home, dashboard, entry, f"analyze-{time.time_ns() // 1_000_000}")


def _follow(stores: "Stores", job: "Job", wanted: Wanted, analysers: "Analysers", only: Sequence[str]) -> None:
    """Show the progress of a job until it ends.

    Raises:
        JobRefused: the job failed.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    def left() -> int:
        outdated = _outdated(stores, wanted, analysers, only)
        return sum(sum(segments.values()) for segments in outdated.values())

    total = left()
    columns = (TextColumn("Analysing"), BarColumn(bar_width=12), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes) as bar:
        task = bar.add_task("analysis", total=total)
        while not job.ended():
            bar.update(task, completed=max(total - left(), 0))
            time.sleep(_POLL_S)
        bar.update(task, completed=max(total - left(), 0))
