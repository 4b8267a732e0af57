"""`gbm import`: bring mail of other programs into the archive. Works with and without a running cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.mail_import import Imported
    from cluster.stores import Stores
    from storage.model.records import User

#: Skipped files, and new labels, that are named one by one.
_LISTED = 20


@command
def import_mail(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    path: Annotated[
        Path, typer.Argument(help="An mbox, a Maildir, a folder or archive of .eml, or a got-your-back folder.")
    ],
    *,
    new: Annotated[bool, typer.Option("--new", help="Add the mailbox if it is not backed up here.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Import mail of other programs into the archive.

    Reads Google Takeout and other mbox files, Maildir, folders and .tar.gz or .zip archives of .eml and mbox, and
    folders of got-your-back. Messages that the mailbox has already are recognised by id, content, or Message-ID and
    headers, and only their origin is recorded. An interrupted import continues where it stopped when repeated. Nothing
    is written to Gmail.

    Example: gbm import ada@example.com Takeout/Mail/All.mbox --new
    """
    from cluster.mail_import import import_mail as run

    with open_stores(settings()) as stores:
        user = _user(stores, email, new)
        with _progress() as on_progress:
            done = run(stores, user, path, on_progress)
    _tell(done, user.email, json)


def _user(stores: "Stores", email: str, new: bool) -> "User":
    from storage.control.accounts import UnknownUser

    try:
        return stores.control.user(email)
    except UnknownUser:
        if not new:
            fail(f"{email} is not backed up here: add --new to make a mailbox that has only imported mail.")
    user = stores.control.add_user(email)
    stores.catalog(user).open_mailbox(user.shard_id, user.user_id, user.email)
    return user


@contextmanager
def _progress() -> Iterator[Callable[["Imported"], None]]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("Importing"), SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=notes, refresh_per_second=4) as bar:
        task = bar.add_task("", total=None)

        def on_progress(done: "Imported") -> None:
            text = f"{count(done.position)} messages · {count(done.stored)} stored · {count(done.duplicates)} known"
            bar.update(task, description=text)

        yield on_progress


def _tell(done: "Imported", email: str, json: bool) -> None:
    if json:
        print_json(
            {
                "messages": done.position,
                "stored": done.stored,
                "duplicates": done.duplicates,
                "new_labels": sorted(done.new_labels),
                "skipped": [{"name": name, "reason": reason} for name, reason in done.skipped],
            }
        )
        return
    out.print(
        f"{count(done.position)} messages imported into {email}: {count(done.stored)} stored "
        f"({size(done.size_bytes)} in this run), {count(done.duplicates)} were there.",
        markup=False,
    )
    if done.of_gmail:
        notes.print(
            f"Labels are those of the source. To compare them with Gmail: gbm sync {email} --reconcile --wait",
            markup=False,
        )
    if done.new_labels:
        names = sorted(done.new_labels)
        more = f" and {count(len(names) - _LISTED)} more" if len(names) > _LISTED else ""
        out.print(f"New labels: {', '.join(names[:_LISTED])}{more}", markup=False)
    for name, reason in done.skipped[:_LISTED]:
        notes.print(f"skipped {name}: {reason}", markup=False)
    if len(done.skipped) > _LISTED:
        notes.print(f"and {count(len(done.skipped) - _LISTED)} more skipped: see --json")
