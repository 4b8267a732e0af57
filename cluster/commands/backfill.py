"""`gbm backfill` and `gbm sync`: bring mailboxes up to date on the running cluster."""

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, print_json, size
from cluster.opening import open_stores, settings

if TYPE_CHECKING:
    from cluster.backfill import BackfillResult

Emails = Annotated[list[str] | None, typer.Argument(help="Addresses of mailboxes.")]
All = Annotated[bool, typer.Option("--all", help="Every mailbox.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show the progress until it ends; Ctrl-C stops only the showing.")]
Full = Annotated[bool, typer.Option("--full", help="List complete mailboxes anew, too, not only what changed.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@command
def backfill(
    emails: Emails = None, everybody: All = False, wait: Wait = False, full: Full = False, json: Json = False
) -> None:
    """Back mailboxes up completely, as a Ray Job on the running cluster.

    What is stored already is not fetched again: run it as often as you like, also after a crash.
    """
    _run(emails, everybody, wait, full, json)


@command
def sync(emails: Emails = None, everybody: All = False, wait: Wait = False, json: Json = False) -> None:
    """Bring mailboxes up to date: what changed since their last sync, or everything for a new one."""
    _run(emails, everybody, wait, False, json)


def _run(emails: list[str] | None, everybody: bool, wait: bool, full: bool, json: bool) -> None:
    if bool(emails) == everybody:
        fail("Name mailboxes, or say --all.")
    from cluster.backfill import backfill as run_backfill

    with open_stores(settings()) as stores:
        facts = stores.home.recorded()
        users = stores.control.users() if everybody else [stores.control.user(email) for email in emails or ()]
        if not users:
            fail("There are no mailboxes yet: add one with `gbm accounts add EMAIL --authorized-user FILE`.")
        result = run_backfill(stores, str(facts["dashboard"]), users, wait, full)
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
        "job_id": result.job_id,
        "seconds": round(result.seconds, 3),
        "starting_s": round(result.starting_s, 3),
        "messages": result.messages,
        "size_bytes": result.size_bytes,
        "units": result.units,
        "total_messages": result.total_messages,
    }
