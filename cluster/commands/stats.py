"""`gbm stats` and `gbm report`: a mailbox in numbers and pictures. They need no running cluster."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.commands.search import AsOf
from cluster.console import command, count, notes, out, print_json
from cluster.opening import open_stores, settings
from serve.units import duration, size
from storage.errors import BackupError

if TYPE_CHECKING:
    from serve.numbers import Activity, Correspondence, Overview, People, Timeline
    from storage.reader import MailboxReader
    from storage.selecting import Selection

Query = Annotated[str, typer.Option("--query", "-q", metavar="QUERY", help="Only of what this search finds.")]
Since = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Received at 2026-10-01, or 3d ago, or later.")
]
Until = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Received before.")]
Zone = Annotated[str, typer.Option("--tz", metavar="ZONE", help="Whose clock: Europe/Berlin, UTC …")]
Email = Annotated[str, typer.Argument(help="The mailbox's address.")]

_ROWS = 8
_WIDTH = 72


class ReportNotWritten(BackupError):
    """The report's file cannot be written. Name another one."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} cannot be written ({self.reason}): name another file with --out."


@command
def stats(
    email: Email,
    query: Query = "",
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    zone: Zone = "UTC",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a mailbox in numbers: over time, by hour of the week, by sender, by label.

    Example: gbm stats ada@example.com --from 2026-01-01 --tz Europe/Berlin
    """
    from serve import numbers
    from serve.report import bucket_of

    with _opened(email, query, since, until, as_of) as (reader, selection):
        counted = reader.numbers(selection)
        told = numbers.overview(counted)
        line = numbers.timeline(counted, bucket_of(told), zone)
        activity = numbers.activity(counted, zone)
        senders = numbers.people(counted.senders(_ROWS))
        threads = numbers.correspondence(counted, 1, reader.contents)
    if json:
        print_json(
            {
                "overview": told.model_dump(by_alias=True),
                "timeline": line.model_dump(),
                "activity": activity.model_dump(),
                "senders": senders.model_dump()["items"],
                "responses": {"mine": threads.mine.model_dump(), "theirs": threads.theirs.model_dump()},
            }
        )
        return
    if not told.messages:
        notes.print("No mail matches." if query or since or until or as_of else "Nothing is backed up yet.")
        return
    _draw(email, told, line, activity, senders, threads)


def _draw(
    email: str,
    told: "Overview",
    line: "Timeline",
    activity: "Activity",
    senders: "People",
    threads: "Correspondence",
) -> None:
    from cluster import drawing

    out.print(f"[bold]{email}[/bold]  {told.first_at:%Y-%m-%d} to {told.last_at:%Y-%m-%d}")
    out.print(
        f"  {count(told.messages)} messages, {size(told.size_bytes)}; {count(told.sent)} sent,"
        f" {count(told.unread)} unread, {count(told.deleted)} deleted in Gmail"
    )
    files = told.attachments
    out.print(f"  {count(files.files)} attached files in {count(files.messages)} messages, {size(files.size_bytes)}")
    for whose, each in (("You answer", threads.mine), ("Others answer", threads.theirs)):
        if each.responses:
            half = duration(each.median_s or 0.0)
            out.print(f"  {whose} half of the time within {half} ({count(each.responses)} answers)")
    out.print(f"\n[bold]Messages a {line.bucket}[/bold] ({line.tz})")
    out.print(f"  {drawing.columns([each.messages for each in line.items], _WIDTH)}", markup=False)
    out.print("\n[bold]Your week[/bold]")
    for row in drawing.week(activity.grid()):
        out.print(row)
    out.print("\n[bold]Who writes to you[/bold]")
    for row in drawing.bars([(each.address, each.messages, count(each.messages)) for each in senders.items]):
        out.print(row)
    out.print("\n[bold]Labels[/bold]")
    shown = [label for label in told.labels if label.messages][:_ROWS]
    for row in drawing.bars([(label.name, label.messages, count(label.messages)) for label in shown]):
        out.print(row)


@command
def report(
    email: Email,
    file: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page's file; replaced if it is there.")],
    query: Query = "",
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    zone: Zone = "UTC",
) -> None:
    """Write a mailbox's numbers as one page of charts that needs no network and runs nothing.

    Example: gbm report ada@example.com --out report.html --tz Europe/Berlin
    """
    from serve.report import report as made

    with _opened(email, query, since, until, as_of) as (reader, selection):
        page = made(email, reader.numbers(selection), reader.contents, zone, datetime.now(UTC)).html()
    try:
        _replace(file, page)
    except OSError as exc:
        raise ReportNotWritten(str(file), exc.strerror or str(exc)) from exc
    notes.print(f"{file} is written: open it in a browser.", markup=False)


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all; only its owner reads it."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _opened(
    email: str, query: str, since: str | None, until: str | None, as_of: str | None
) -> "Iterator[tuple[MailboxReader, Selection]]":
    from cluster.times import optional
    from storage.language.plan import EARLIEST, LATEST
    from storage.selecting import Selection

    now = datetime.now(UTC)
    selection = Selection(query, optional(since, now) or EARLIEST, optional(until, now) or LATEST, optional(as_of, now))
    with open_stores(settings()) as stores:
        yield stores.reader(stores.control.user(email)), selection
