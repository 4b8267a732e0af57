"""`gbm backfill` and `gbm sync`: back up mailboxes on the running cluster."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from actors.decisions import Mode
    from cluster.backfill import BackfillResult
    from cluster.stores import Stores
    from storage.control.campaigns import Campaign

Emails = Annotated[list[str] | None, typer.Argument(help="Addresses of mailboxes.")]
All = Annotated[bool, typer.Option("--all", help="Every mailbox.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress until the end; Ctrl-C leaves the job running.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=1, help="With --wait: seconds until it stops and reports the reason.")
]
Full = Annotated[bool, typer.Option("--full", help="List every message again instead of only the changes.")]
Reconcile = Annotated[
    bool,
    typer.Option("--reconcile", help="Compare ids, labels and label names with Gmail, and repair differences."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
List = Annotated[bool, typer.Option("--list", help="List the newest campaigns and their progress.")]
Resume = Annotated[int | None, typer.Option("--resume", help="Resume a cancelled or interrupted campaign, by id.")]
Cancel = Annotated[int | None, typer.Option("--cancel", help="Cancel a campaign, by id; --resume continues it.")]

_LISTED = 20
#: Exit code of `--wait` when the mailboxes are complete but for messages that failed.
MESSAGES_MISSING = 3


@command
def backfill(
    emails: Emails = None,
    everybody: All = False,
    wait: Wait = False,
    timeout: Timeout = None,
    full: Full = False,
    listing: List = False,
    resume: Resume = None,
    cancel: Cancel = None,
    json: Json = False,
) -> None:
    """Back up whole mailboxes: one campaign, run as a Ray Job on the running cluster.

    Use it for the first backup, or with --full to compare a whole mailbox with Gmail. Stored messages are not fetched
    again, so it is safe to repeat, also after a crash. If the same campaign is still running, the command joins it.

    Example: gbm backfill ada@example.com --wait
    """
    chosen = [bool(emails), everybody, listing, resume is not None, cancel is not None]
    if sum(chosen) != 1:
        fail("Nothing to back up: name mailboxes, or give exactly one of --all, --list, --resume ID, --cancel ID.")
    if listing:
        _list(json)
    elif resume is not None:
        _resume(resume, wait, json, timeout)
    elif cancel is not None:
        _cancel(cancel)
    else:
        from actors.decisions import Mode

        _run(emails, everybody, wait, Mode.FULL if full else Mode.INCREMENTAL, json, timeout)


@command
def sync(
    emails: Emails = None,
    everybody: All = False,
    wait: Wait = False,
    reconcile: Reconcile = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Fetch the changes since the last sync; a new mailbox is backed up completely.

    The running cluster syncs every mailbox automatically; use this to sync a mailbox now.

    Example: gbm sync ada@example.com --wait
    """
    from actors.decisions import Mode

    if bool(emails) == everybody:
        fail("Nothing to sync: name mailboxes, or give --all.")
    _run(emails, everybody, wait, Mode.RECONCILE if reconcile else Mode.INCREMENTAL, json, timeout)


def _run(
    emails: list[str] | None, everybody: bool, wait: bool, mode: "Mode", json: bool, timeout_s: float | None
) -> None:
    from cluster.backfill import backfill as run_backfill

    with open_stores(settings()) as stores:
        dashboard = str(stores.home.recorded()["dashboard"])
        users = stores.control.users() if everybody else [stores.control.user(email) for email in emails or ()]
        if not users:
            fail("There are no mailboxes: add one with `gbm accounts login EMAIL --client FILE`.")
        users = list({user.user_id: user for user in users}.values())
        _tell(run_backfill(stores, dashboard, users, wait, mode, timeout_s=timeout_s), json)


def _resume(campaign_id: int, wait: bool, json: bool, timeout_s: float | None) -> None:
    from cluster.backfill import show, start
    from storage.control.campaigns import Campaigns

    with open_stores(settings()) as stores:
        dashboard = str(stores.home.recorded()["dashboard"])
        job = start(stores, dashboard, Campaigns(stores.databases.control).get(campaign_id))
        notes.print(f"Resumed campaign {campaign_id} as job {job.job_id}.")
        if wait:
            _tell(show(stores, campaign_id, job, timeout_s), json)


def _cancel(campaign_id: int) -> None:
    from storage.control.campaigns import Campaigns

    with open_stores(settings()) as stores:
        Campaigns(stores.databases.control).cancel(campaign_id)
    notes.print(f"Cancelled campaign {campaign_id}. To resume: gbm backfill --resume {campaign_id}")


def _list(json: bool) -> None:
    from storage.control.campaigns import Campaigns

    with open_stores(settings()) as stores:
        rows = [campaign_as_json(stores, campaign) for campaign in Campaigns(stores.databases.control).newest(_LISTED)]
    if json:
        print_json(rows)
        return
    for row in rows:
        left = f"  about {row['eta_s']:.0f} s left" if row["eta_s"] is not None else ""
        out.print(
            f"{row['id']:>6}  {row['created_at']:%Y-%m-%d %H:%M}  {row['state']:<10} {row['mode']:<11} "
            f"{row['done']}/{row['mailboxes']} mailboxes  {row['failed']} failed  "
            f"{count(row['messages'])}/{count(row['estimate'])} messages{left}",
            markup=False,
        )


def campaign_as_json(stores: "Stores", campaign: "Campaign") -> dict[str, Any]:
    """A campaign and its progress, as JSON."""
    from storage.control.campaigns import campaign_status

    return campaign_status(campaign, stores.databases, stores.shards)


def _tell(result: "BackfillResult | None", json: bool) -> None:
    if result is None:
        return
    but = f"; complete but for {count(result.missing)}: see `gbm failures`" if result.missing else ""
    if json:
        print_json(as_json(result))
    else:
        notes.print(
            f"{count(result.messages)} new messages, {size(result.size_bytes)}, in {result.seconds:.1f} s; "
            f"{count(result.total_messages)} stored in total{but}."
        )
    if result.missing:
        raise typer.Exit(MESSAGES_MISSING)


def as_json(result: "BackfillResult") -> dict[str, object]:
    """A backfill's result, as JSON."""
    return {
        "campaign": result.campaign_id,
        "job_id": result.job_id,
        "seconds": round(result.seconds, 3),
        "starting_s": round(result.starting_s, 3),
        "messages": result.messages,
        "size_bytes": result.size_bytes,
        "units": result.units,
        "total_messages": result.total_messages,
        "missing": result.missing,
    }
