"""`gbm stats` and `gbm report`: statistics of a mailbox. Both work without a running cluster."""

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
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import duration, size
from storage.errors import BackupError

if TYPE_CHECKING:
    from storage.analytics.attachment_totals import Attached
    from storage.analytics.correspondence import Responses
    from storage.analytics.stats import Bucket, MailboxStats, Overview, Row

Query = Annotated[str, typer.Option("--query", "-q", metavar="QUERY", help="Only messages that match this search.")]
Since = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Received at or after: 2026-10-01, 3d (ago).")
]
Until = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Received before.")]
Zone = Annotated[str, typer.Option("--tz", metavar="ZONE", help="Time zone, such as Europe/Berlin.")]
Email = Annotated[str, typer.Argument(help="The mailbox's address.")]

_ROWS = 8
_WIDTH = 72


class ReportNotWritten(BackupError):
    """The report's file cannot be written. Name another file."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} cannot be written ({self.reason}): name another file with --out."


@dataclass(frozen=True, slots=True)
class Numbers:
    """The output of `gbm stats`. responses: of the owner, and of others."""

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
    """Show statistics of a mailbox: over time, by hour of the week, by sender, by label.

    Works without a running cluster.

    Example: gbm stats ada@example.com --from 2026-01-01 --tz Europe/Berlin
    """
    from jobs.rendering.report import MOST_POINTS, bucket_of
    from storage.analytics.correspondence import Correspondence
    from storage.analytics.time_zones import zone_of

    clock = zone_of(zone)
    with _opened(email, query, since, until, as_of) as mailbox_stats:
        overview = mailbox_stats.overview()
        bucket = bucket_of(overview)
        numbers = Numbers(
            overview,
            mailbox_stats.attachments(),
            bucket,
            mailbox_stats.timeline(bucket, clock, MOST_POINTS),
            mailbox_stats.activity(clock),
            mailbox_stats.senders(_ROWS),
            mailbox_stats.labels(_ROWS),
            Correspondence(mailbox_stats).responses(),
        )
    if json:
        print_json(
            {**asdict(numbers), "responses": dict(zip(("mine", "theirs"), map(asdict, numbers.responses), strict=True))}
        )
        return
    if not overview.years:
        filtered = query or since or until or as_of
        notes.print("No messages match." if filtered else f"No mail is stored yet: run gbm backfill {email} --wait")
        return
    _draw(email, numbers, zone)


def _draw(email: str, numbers: "Numbers", zone: str) -> None:
    from cluster import drawing
    from jobs.rendering.report import grid

    overview = numbers.overview
    total = {
        name: sum(year[name] for year in overview.years)
        for name in ("messages", "size_bytes", "sent", "unread", "deleted")
    }
    out.print(f"[bold]{email}[/bold]  {overview.first_at:%Y-%m-%d} to {overview.last_at:%Y-%m-%d}")
    out.print(
        f"  {count(total['messages'])} messages, {size(total['size_bytes'])}; {count(total['sent'])} sent,"
        f" {count(total['unread'])} unread, {count(total['deleted'])} deleted in Gmail"
    )
    files = numbers.attachments
    out.print(f"  {count(files.files)} attachments in {count(files.messages)} messages, {size(files.size_bytes)}")
    for whose, responses in zip(("Your", "Others'"), numbers.responses, strict=True):
        if responses.responses:
            median = duration(responses.median_s or 0.0)
            out.print(f"  {whose} median response time: {median} ({count(responses.responses)} responses)")
    out.print(f"\n[bold]Messages per {numbers.bucket}[/bold] ({zone})")
    out.print(f"  {drawing.columns([row['messages'] for row in numbers.timeline], _WIDTH)}", markup=False)
    out.print("\n[bold]Messages by hour of the week[/bold]")
    for line in drawing.week(grid(numbers.activity)):
        out.print(line)
    for heading, rows, name in (("Top senders", numbers.senders, "address"), ("Labels", numbers.labels, "name")):
        out.print(f"\n[bold]{heading}[/bold]")
        shown = [(row[name], row["messages"], count(row["messages"])) for row in rows if row["messages"]]
        for line in drawing.bars(shown):
            out.print(line)


@command
def report(
    email: Email,
    file: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write; an existing file is replaced.")],
    query: Query = "",
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    zone: Zone = "UTC",
) -> None:
    """Write statistics of a mailbox as one HTML page of charts.

    The page contains no scripts and loads nothing from the network. Works without a running cluster.

    Example: gbm report ada@example.com --out report.html --tz Europe/Berlin
    """
    from jobs.rendering.report import report as made
    from storage.analytics.time_zones import zone_of

    clock = zone_of(zone)
    with _opened(email, query, since, until, as_of) as mailbox_stats:
        page = made(email, mailbox_stats, clock, datetime.now(UTC)).html()
    try:
        _replace(file, page)
    except OSError as exc:
        raise ReportNotWritten(str(file), exc.strerror or str(exc)) from exc
    notes.print(f"Wrote {file}: open it in a browser.", markup=False)


def _replace(file: Path, text: str) -> None:
    """Replace a file atomically, readable by its owner only."""
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
        yield stores.reader(stores.control.user(email)).stats(query, span, moment)
