"""`gbm restore`: give mail back to Gmail."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.stores import Stores
    from storage.control.restore_records import Restore

#: Items that are listed one by one; --json has all.
_LISTED = 20
_RESTORES = 20
#: Exit code when some messages could not be restored.
MESSAGES_FAILED = 3
_BY = "command line"
_HEX_ID = re.compile(r"[1-9a-f][0-9a-f]{0,15}")


@command
def restore(
    email: Annotated[str | None, typer.Argument(help="The mailbox whose backup is restored.")] = None,
    to: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Another mailbox to restore into.")] = None,
    query: Annotated[
        str, typer.Option(help="Only messages that match; without Spam and Trash unless it names them.")
    ] = "",
    thread: Annotated[str | None, typer.Option(metavar="ID", help="Only one thread, by Gmail's id.")] = None,
    deleted_since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only messages deleted in Gmail since then, as they were then.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The mailbox as it was: 2026-10-01, 2026-10-01T12:30Z, 3d.")
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Also give messages that the mailbox still has their labels back.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Show progress until the end; Ctrl-C pauses the restore.")] = True,
    listing: Annotated[bool, typer.Option("--list", help="List the newest restores.")] = False,
    resume: Annotated[int | None, typer.Option(metavar="ID", help="Go on with a restore.")] = None,
    pause: Annotated[int | None, typer.Option(metavar="ID", help="Pause a restore.")] = None,
    cancel: Annotated[int | None, typer.Option(metavar="ID", help="End a restore; what came back stays.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Restore mail into Gmail, on the running cluster.

    Imports the exact bytes of messages that the mailbox does not have, with their labels, states and threads. Nothing
    in Gmail is deleted, and nothing is imported twice, also after a crash. The mailbox's owner must have consented
    with `gbm accounts login EMAIL --client FILE --restore`.

    Example: gbm restore ada@example.com --as-of 2026-10-01 --dry-run
    """
    if sum([email is not None, listing, resume is not None, pause is not None, cancel is not None]) != 1:
        fail("Nothing to restore: name one mailbox, or give one of --list, --resume ID, --pause ID, --cancel ID.")
    with open_stores(settings()) as stores:
        if email is not None:
            _restore(stores, email, to, query, thread, deleted_since, as_of, labels, dry_run, wait, json)
        elif listing:
            _list(stores, json)
        else:
            _control(stores, resume, pause, cancel, wait, json)


def _restore(
    stores: "Stores",
    email: str,
    to: str | None,
    query: str,
    thread: str | None,
    deleted_since: str | None,
    as_of: str | None,
    labels: bool,
    dry_run: bool,
    wait: bool,
    json: bool,
) -> None:
    from cluster.restoring import dry_run as foresee
    from cluster.times import optional
    from storage.control.restore_records import Selection
    from storage.control.restores import Restores
    from storage.query.parser import parse

    parse(query)  # what is wrong with it is said here, not by a job
    if thread is not None and not _HEX_ID.fullmatch(thread):
        fail(f"{thread!r} is not the id of a thread: take one from `gbm search EMAIL QUERY --json`.")
    now = datetime.now(UTC)
    source = stores.control.user(email)
    target = stores.control.user(to) if to else source
    selection = Selection(query, thread, optional(deleted_since, now), optional(as_of, now), labels)
    if dry_run:
        _tell_plan(foresee(stores, source, target, selection), target.email, json)
        return
    stores.home.recorded()  # a restore that nobody works on would only be in the way
    begun = Restores(stores.databases.control).begin(source, target, selection, _BY)
    _work(stores, begun, wait, json)


def _work(stores: "Stores", restore: "Restore", wait: bool, json: bool) -> None:
    from cluster.restoring import show, start

    restore = start(stores, restore)
    if wait:
        restore = show(stores, restore.restore_id, _BY)
        _tell(stores, restore, json)
    elif not restore.runs:
        notes.print(f"Restore {restore.restore_id} waits until others have ended. To follow it: gbm restore --list")
    else:
        notes.print(f"Restore {restore.restore_id} runs as job {restore.job_id}. To follow it: gbm restore --list")


def _control(
    stores: "Stores", resume: int | None, pause: int | None, cancel: int | None, wait: bool, json: bool
) -> None:
    from storage.control.restores import Restores

    restores = Restores(stores.databases.control)
    if resume is not None:
        _work(stores, restores.resume(resume, _BY), wait, json)
    elif pause is not None:
        state = restores.pause(pause, _BY).state
        notes.print(f"Restore {pause} is {state}. To go on: gbm restore --resume {pause}")
    elif cancel is not None:
        state = restores.cancel(cancel, _BY).state
        notes.print(f"Restore {cancel} is {state}. What has been restored stays in the mailbox.")


def _list(stores: "Stores", json: bool) -> None:
    from storage.control.restores import Restores

    found = Restores(stores.databases.control).newest(_RESTORES)
    if json:
        print_json([each.as_json() for each in found])
        return
    for each in found:
        into = "" if each.target == each.source else f" into {each.target.email}"
        out.print(
            f"{each.restore_id:>6}  {each.created_at:%Y-%m-%d %H:%M}  {each.state.value:<10} "
            f"{each.source.email}{into}  {count(each.done)} restored, {count(each.present)} there, "
            f"{count(each.failed)} failed of {count(each.total)}",
            markup=False,
        )


def _tell_plan(plan: dict[str, Any], target: str, json: bool) -> None:
    if json:
        print_json(plan)
        return
    out.print(
        f"{count(plan['selected'])} messages are selected. {count(plan['imported'])} ({size(plan['size_bytes'])}) "
        f"would be imported into {target}; {count(plan['present'])} are there already, "
        f"{count(plan['relabelled'])} of them would get their labels back; {count(plan['units'])} quota units.",
        markup=False,
    )
    for label in plan["labels"]:
        detail = f": {label['detail']}" if label["detail"] else ""
        out.print(f"  label {label['name']!r} {label['outcome']}{detail}", markup=False)
    for item in plan["different"][:_LISTED]:
        out.print(f"  {item['id']}  {item['reason']}", markup=False)
    if len(plan["different"]) > _LISTED:
        out.print(f"  and {count(len(plan['different']) - _LISTED)} more that differ: see --json", markup=False)
    out.print(f"  {plan['never']}", markup=False)


def _tell(stores: "Stores", restore: "Restore", json: bool) -> None:
    from storage.control.restore_records import RestoreState
    from storage.control.restores import Restores

    report = Restores(stores.databases.control).report(restore.restore_id)
    if json:
        print_json({**restore.as_json(), **report})
    else:
        seconds = ((restore.ended_at or datetime.now(UTC)) - restore.created_at).total_seconds()
        notes.print(
            f"Restore {restore.restore_id} is {restore.state.value}: {count(restore.done)} messages restored "
            f"({size(restore.size_bytes)}), {count(restore.present)} were there, {count(restore.failed)} failed, "
            f"in {seconds:.0f} s.",
            markup=False,
        )
        for label in report["labels"]:
            if label["detail"]:
                notes.print(f"  label {label['detail']}", markup=False)
        for item in report["messages"][:_LISTED]:
            notes.print(f"  {item['id']}  {item['detail']}", markup=False)
        if len(report["messages"]) > _LISTED:
            notes.print(f"  and {count(len(report['messages']) - _LISTED)} more: see --json", markup=False)
    if restore.error:
        fail(restore.error)
    if restore.state is RestoreState.INCOMPLETE:
        raise typer.Exit(MESSAGES_FAILED)
    if restore.state is not RestoreState.COMPLETE:
        raise typer.Exit(130)
