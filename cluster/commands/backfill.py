"""`gbm backfill` and `gbm sync`: bring mailboxes up to date on the running cluster."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.opening import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.backfill import BackfillResult
    from cluster.stores import Stores
    from storage.control.campaigns import Campaign

Emails = Annotated[list[str] | None, typer.Argument(help="Addresses of mailboxes.")]
All = Annotated[bool, typer.Option("--all", help="Every mailbox.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show the progress until it ends; Ctrl-C stops only the showing.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=1, help="With --wait: seconds after which to give up, and say what it waits for."),
]
Full = Annotated[bool, typer.Option("--full", help="List complete mailboxes anew, too, not only what changed.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
List = Annotated[bool, typer.Option("--list", help="Show the newest campaigns and how far they are.")]
Resume = Annotated[int | None, typer.Option("--resume", help="Go on with a campaign that was cancelled or cut short.")]
Cancel = Annotated[int | None, typer.Option("--cancel", help="Stop a campaign; --resume goes on with it later.")]

_LISTED = 20


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
    """Back mailboxes up completely: one campaign, one Ray Job on the running cluster.

    What is stored already is not fetched again: run it as often as you like, also after a crash. The same command while
    its campaign runs joins it.
    """
    chosen = [bool(emails), everybody, listing, resume is not None, cancel is not None]
    if sum(chosen) != 1:
        fail("Name mailboxes, or say one of --all, --list, --resume ID, --cancel ID.")
    if listing:
        _list(json)
    elif resume is not None:
        _resume(resume, wait, json, timeout)
    elif cancel is not None:
        _cancel(cancel)
    else:
        _run(emails, everybody, wait, full, json, timeout)


@command
def sync(
    emails: Emails = None,
    everybody: All = False,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Bring mailboxes up to date: what changed since their last sync, or everything for a new one."""
    if bool(emails) == everybody:
        fail("Name mailboxes, or say --all.")
    _run(emails, everybody, wait, False, json, timeout)


def _run(
    emails: list[str] | None, everybody: bool, wait: bool, full: bool, json: bool, timeout_s: float | None
) -> None:
    from actors.decisions import Mode
    from cluster.backfill import backfill as run_backfill

    with open_stores(settings()) as stores:
        dashboard = str(stores.home.recorded()["dashboard"])
        users = stores.control.users() if everybody else [stores.control.user(email) for email in emails or ()]
        if not users:
            fail("There are no mailboxes yet: add one with `gbm accounts add EMAIL --authorized-user FILE`.")
        users = list({user.user_id: user for user in users}.values())
        mode = Mode.FULL if full else Mode.INCREMENTAL
        _tell(run_backfill(stores, dashboard, users, wait, mode, timeout_s=timeout_s), json)


def _resume(campaign_id: int, wait: bool, json: bool, timeout_s: float | None) -> None:
    from cluster.backfill import show, start
    from storage.control.campaigns import Campaigns

    with open_stores(settings()) as stores:
        dashboard = str(stores.home.recorded()["dashboard"])
        job = start(stores, dashboard, Campaigns(stores.databases.control).get(campaign_id))
        notes.print(f"Campaign {campaign_id} goes on as job {job.job_id}.")
        if wait:
            _tell(show(stores, campaign_id, job, timeout_s), json)


def _cancel(campaign_id: int) -> None:
    from storage.control.campaigns import Campaigns

    with open_stores(settings()) as stores:
        Campaigns(stores.databases.control).cancel(campaign_id)
    notes.print(f"Campaign {campaign_id} stops; gbm backfill --resume {campaign_id} goes on with it.")


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
    """A campaign with its progress."""
    from storage.control.campaigns import standing

    return standing(campaign, stores.databases, stores.shards)


def _tell(result: "BackfillResult | None", json: bool) -> None:
    if result is None:
        return
    if json:
        print_json(as_json(result))
    else:
        notes.print(
            f"{count(result.messages)} new messages, {size(result.size_bytes)}, in {result.seconds:.1f} s; "
            f"{count(result.total_messages)} stored in all."
        )


def as_json(result: "BackfillResult") -> dict[str, object]:
    """A backfill's result."""
    return {
        "campaign": result.campaign_id,
        "job_id": result.job_id,
        "seconds": round(result.seconds, 3),
        "starting_s": round(result.starting_s, 3),
        "messages": result.messages,
        "size_bytes": result.size_bytes,
        "units": result.units,
        "total_messages": result.total_messages,
    }
