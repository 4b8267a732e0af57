"""`gbm export`: mail out of the archive, in open formats. Needs no running cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.commands.search import AsOf
from cluster.console import command, count, fail, notes, print_json
from cluster.opening import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.stores import Stores
    from jobs.exporting.export import Mailbox, OnBatch
    from jobs.exporting.records import Report


class Format(StrEnum):
    """What an export is written as."""

    MBOX = "mbox"
    EML = "eml"
    MAILDIR = "maildir"
    PARQUET = "parquet"
    ICEBERG = "iceberg"


#: Formats that hold every mailbox at once.
_TOGETHER = (Format.PARQUET, Format.ICEBERG)
#: Damaged messages that are told one by one.
_TOLD = 20


@command
def export(
    email: Annotated[str | None, typer.Argument(help="The mailbox's address.")] = None,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Every mailbox (parquet, iceberg).")] = False,
    kind: Annotated[Format, typer.Option("--format", help="What to write.")],
    path: Annotated[Path, typer.Option("--out", help="A file for mbox, a folder for the others.")],
    query: Annotated[str, typer.Option(help="Only what a search finds: Spam and Trash only if it asks.")] = "",
    as_of: AsOf = None,
    deleted: Annotated[bool, typer.Option(help="Mail that Gmail has no longer, too.")] = False,
    force: Annotated[bool, typer.Option(help="Replace an earlier export.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Export mail as it is, or as it was. Written whole or not at all; damaged messages are told and left out.

    mbox, eml and maildir give the exact bytes back; parquet has headers, text and labels for DuckDB and others; iceberg
    makes the archive's own files a table, without copying them.
    """
    if everybody == bool(email):
        fail("Name one mailbox, or say --all.")
    if everybody and kind not in _TOGETHER:
        fail(f"A {kind} holds one mailbox: name it, or choose --format parquet.")
    if kind is Format.ICEBERG and (email or query or deleted):
        fail("Iceberg tables are of all mail, deleted or not: say --all, without --query or --deleted.")
    with open_stores(settings()) as stores:
        report = _export(stores, email, kind, path, query, as_of, deleted, force)
    if json:
        print_json(report.document())
    for damage in report.damaged[:_TOLD]:
        notes.print(str(damage), markup=False)
    notes.print(f"{count(report.messages)} messages, {size(report.size_bytes)} of mail, in {path}", markup=False)
    if report.damaged:
        what = "segments" if kind is Format.ICEBERG else "messages"
        fail(f"{count(len(report.damaged))} damaged {what} are not in it.")


def _export(
    stores: "Stores",
    email: str | None,
    kind: Format,
    path: Path,
    query: str,
    as_of: str | None,
    deleted: bool,
    force: bool,
) -> "Report":
    from jobs.exporting.export import export_messages, export_parquet

    if kind is Format.ICEBERG:
        return _iceberg(stores, path, as_of, force)
    chosen = mailboxes(stores, email, query, as_of, deleted)
    with _progress(chosen, query) as told:
        if kind is Format.PARQUET:
            return export_parquet(chosen, path, force, told)
        return export_messages(kind.value, chosen[0], stores.blobs, path, force, told)


def _iceberg(stores: "Stores", path: Path, as_of: str | None, force: bool) -> "Report":
    from cluster.times import optional
    from jobs.exporting.iceberg import export_iceberg

    engines = [stores.databases.shard_database(index) for index in sorted(set(stores.shards.values()))]
    addresses = {user.user_id: user.email for user in stores.control.users()}
    moment = optional(as_of, datetime.now(UTC))
    return export_iceberg(engines, stores.blobs, addresses, path, moment, force)


def mailboxes(stores: "Stores", email: str | None, query: str, as_of: str | None, deleted: bool) -> "list[Mailbox]":
    """What is to be read: one mailbox or all, each at one moment, by default that of its database's clock."""
    from cluster.times import optional
    from jobs.exporting.records import Source

    moment = optional(as_of, datetime.now(UTC))
    found = []
    for user in [stores.control.user(email)] if email else stores.control.users():
        reader = stores.reader(user)
        labels = {label.id: label.name for label in reader.labels()}
        found.append((Source(user.email, moment or reader.present(), query, deleted, labels), reader))
    return found


@contextmanager
def _progress(chosen: "list[Mailbox]", query: str) -> Iterator["OnBatch"]:
    """A bar on standard error; of a search nobody knows how much it finds."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    states = [reader.state() for _, reader in chosen]
    total = None if query else sum(state.messages for state in states if state)
    columns = (TextColumn("Exporting"), BarColumn(bar_width=12), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=notes, refresh_per_second=4) as progress:
        task = progress.add_task("", total=total)

        def told(report: "Report") -> None:
            done = report.messages + len(report.damaged)
            progress.update(task, completed=done, description=f"{count(done)} messages · {size(report.size_bytes)}")

        yield told
