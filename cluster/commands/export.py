"""`gbm export`: write mail in open formats. Works without a running cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.commands.search import AsOf
from cluster.console import command, count, fail, notes, print_json
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.stores import Stores
    from jobs.exporting.export import Mailbox, OnBatch
    from jobs.exporting.records import Report


class Format(StrEnum):
    """Formats of an export."""

    MBOX = "mbox"
    EML = "eml"
    MAILDIR = "maildir"
    PARQUET = "parquet"
    ICEBERG = "iceberg"


#: Formats that can hold several mailboxes.
_TOGETHER = (Format.PARQUET, Format.ICEBERG)
#: Damaged messages that are listed one by one.
_LISTED = 20


@command
def export(
    email: Annotated[str | None, typer.Argument(help="The mailbox's address.")] = None,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Every mailbox (parquet and iceberg only).")] = False,
    kind: Annotated[Format, typer.Option("--format", help="Format to write.")],
    path: Annotated[Path, typer.Option("--out", help="A file for mbox; a folder for the other formats.")],
    query: Annotated[
        str, typer.Option(help="Export only messages that match; without Spam and Trash unless it names them.")
    ] = "",
    as_of: AsOf = None,
    deleted: Annotated[bool, typer.Option(help="Include mail deleted in Gmail.")] = False,
    force: Annotated[bool, typer.Option(help="Replace an earlier export.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Export mail as mbox, eml, maildir, Parquet or Iceberg.

    mbox, eml and maildir contain the exact original bytes. parquet contains headers, text and labels for DuckDB and
    other tools. iceberg publishes the archive's own files as a table without copying them. An export is complete or not
    written at all. Damaged messages are reported and skipped; the exit code is then 1. Works without a running cluster.

    Example: gbm export ada@example.com --format mbox --out mail.mbox --as-of 2026-10-01
    """
    if everybody == bool(email):
        fail("Nothing to export: name one mailbox, or give --all.")
    if everybody and kind not in _TOGETHER:
        fail(f"The format {kind} holds one mailbox: name the mailbox, or use --format parquet.")
    if kind is Format.ICEBERG and (email or query or deleted):
        fail("Iceberg tables contain all mail of all mailboxes: use --all without --query and --deleted.")
    with open_stores(settings()) as stores:
        report = _export(stores, email, kind, path, query, as_of, deleted, force)
    if json:
        print_json(report.document())
    for damage in report.damaged[:_LISTED]:
        notes.print(str(damage), markup=False)
    notes.print(f"Exported {count(report.messages)} messages, {size(report.size_bytes)}, to {path}", markup=False)
    if report.damaged:
        what = "segments" if kind is Format.ICEBERG else "messages"
        fail(f"Skipped {count(len(report.damaged))} damaged {what}: restore their files from a copy and export again.")


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
    with _progress(chosen, query) as report_progress:
        if kind is Format.PARQUET:
            return export_parquet(chosen, path, force, report_progress)
        return export_messages(kind.value, chosen[0], stores.blobs, path, force, report_progress)


def _iceberg(stores: "Stores", path: Path, as_of: str | None, force: bool) -> "Report":
    from cluster.times import optional
    from jobs.exporting.iceberg import export_iceberg

    engines = [stores.databases.shard_database(index) for index in sorted(set(stores.shards.values()))]
    addresses = {user.user_id: user.email for user in stores.control.users()}
    moment = optional(as_of, datetime.now(UTC))
    return export_iceberg(engines, stores.blobs, addresses, path, moment, force)


def mailboxes(stores: "Stores", email: str | None, query: str, as_of: str | None, deleted: bool) -> "list[Mailbox]":
    """Readers of the mailboxes to export, as of a time; by default the current time of each database's clock."""
    from cluster.times import optional
    from jobs.exporting.records import ExportSource

    moment = optional(as_of, datetime.now(UTC))
    chosen: list[Mailbox] = []
    for user in [stores.control.user(email)] if email else stores.control.users():
        reader = stores.reader(user)
        labels = {label.id: label.name for label in reader.labels()}
        chosen.append((ExportSource(user.email, moment or reader.present(), query, deleted, labels), reader))
    return chosen


@contextmanager
def _progress(chosen: "list[Mailbox]", query: str) -> Iterator["OnBatch"]:
    """A progress bar on standard error; without a total for a query, whose number of matches is unknown."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    states = [reader.state() for _, reader in chosen]
    total = None if query else sum(state.messages for state in states if state)
    columns = (TextColumn("Exporting"), BarColumn(bar_width=12), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=notes, refresh_per_second=4) as progress:
        task = progress.add_task("", total=total)

        def report_progress(report: "Report") -> None:
            done = report.messages + len(report.damaged)
            progress.update(task, completed=done, description=f"{count(done)} messages · {size(report.size_bytes)}")

        yield report_progress
