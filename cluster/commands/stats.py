"""`gbm stats` and `gbm report`: a mailbox in numbers and pictures. They need no running cluster."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.commands.search import AsOf
from cluster.console import command, count, notes, out, print_json
from cluster.opening import open_stores, settings
from jobs.rendering.units import duration, size
from storage.errors import BackupError

if TYPE_CHECKING:
    from storage.analytics.attachment_totals import Attached
    from storage.analytics.correspondence import Responses
    from storage.analytics.stats import Bucket, MailboxStats, Overview, Row

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


@dataclass(frozen=True, slots=True)
class Numbers:
    """What `gbm stats` shows. responses: mine and theirs."""

    overview: "Overview"
    attachments: "Attached"
    bucket: "Bucket"
    timeline: "list[Row]"
    activity: "list[Row]"
    senders: "list[Row]"
    labels: "list[Row]"
    responses: "tuple[Responses, Responses]"


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
    from jobs.rendering.report import MOST_POINTS, bucket_of
    from storage.analytics.correspondence import Correspondence
    from storage.analytics.time_zones import zone_of

    clock = zone_of(zone)
    with _opened(email, query, since, until, as_of) as counting:
        told = counting.overview()
        bucket = bucket_of(told)
        found = Numbers(
            told,
            counting.attachments(),
            bucket,
            counting.timeline(bucket, clock, MOST_POINTS),
            counting.activity(clock),
            counting.senders(_ROWS),
            counting.labels(_ROWS),
            Correspondence(counting).responses(),
        )
    if json:
        print_json(
            {**asdict(found), "responses": dict(zip(("mine", "theirs"), map(asdict, found.responses), strict=True))}
        )
        return
    if not told.years:
        notes.print("No mail matches." if query or since or until or as_of else "Nothing is backed up yet.")
        return
    _draw(email, found, zone)


def _draw(email: str, found: "Numbers", zone: str) -> None:
    from cluster import drawing
    from jobs.rendering.report import grid

    told = found.overview
    total = {
        name: sum(year[name] for year in told.years) for name in ("messages", "size_bytes", "sent", "unread", "deleted")
    }
    out.print(f"[bold]{email}[/bold]  {told.first_at:%Y-%m-%d} to {told.last_at:%Y-%m-%d}")
    out.print(
        f"  {count(total['messages'])} messages, {size(total['size_bytes'])}; {count(total['sent'])} sent,"
        f" {count(total['unread'])} unread, {count(total['deleted'])} deleted in Gmail"
    )
    files = found.attachments
    out.print(f"  {count(files.files)} attached files in {count(files.messages)} messages, {size(files.size_bytes)}")
    for whose, each in zip(("You answer", "Others answer"), found.responses, strict=True):
        if each.responses:
            half = duration(each.median_s or 0.0)
            out.print(f"  {whose} half of the time within {half} ({count(each.responses)} answers)")
    out.print(f"\n[bold]Messages a {found.bucket}[/bold] ({zone})")
    out.print(f"  {drawing.columns([each['messages'] for each in found.timeline], _WIDTH)}", markup=False)
    out.print("\n[bold]Your week[/bold]")
    for row in drawing.week(grid(found.activity)):
        out.print(row)
    for heading, rows, name in (("Who writes to you", found.senders, "address"), ("Labels", found.labels, "name")):
        out.print(f"\n[bold]{heading}[/bold]")
        shown = [(each[name], each["messages"], count(each["messages"])) for each in rows if each["messages"]]
        for row in drawing.bars(shown):
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
    from jobs.rendering.report import report as made
    from storage.analytics.time_zones import zone_of

    clock = zone_of(zone)
    with _opened(email, query, since, until, as_of) as counting:
        page = made(email, counting, clock, datetime.now(UTC)).html()
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
) -> "Iterator[MailboxStats]":
    from cluster.times import optional
    from storage.analytics.selection import Span
    from storage.model.time_range import EARLIEST, LATEST

    now = datetime.now(UTC)
    span = Span(optional(since, now) or EARLIEST, optional(until, now) or LATEST)
    moment = optional(as_of, now)
    with open_stores(settings()) as stores:
        yield stores.reader(stores.control.user(email)).counting(query, span, moment)
