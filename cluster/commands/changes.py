"""`gbm changes`: compare a mailbox at two times. Works without a running cluster."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, notes, out, print_json
from cluster.lazy_imports import open_stores, settings

if TYPE_CHECKING:
    from storage.model.results import Change


@command
def changes(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    since: Annotated[str, typer.Option(metavar="TIME", help="Start: 2026-10-01, 2026-10-01T12:30Z, 3d (ago).")],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="End; by default now.")] = None,
    vanished: Annotated[bool, typer.Option(help="Only messages deleted or moved to Trash.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Maximum number of messages.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Continue after an earlier page; give --until as well.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List messages that were added, deleted or relabelled between two times.

    Compares the states that the backup recorded. Use it to find out what disappeared, and when.

    Example: gbm changes ada@example.com --since 3d --vanished
    """
    from cluster.times import moment, optional
    from storage.model.results import PageCursor

    now = datetime.now(UTC)
    with open_stores(settings()) as stores:
        reader = stores.reader(stores.control.user(email))
        names = {label.id: label.name for label in reader.labels()}
        start, end = moment(since, now), optional(until, now) or reader.present()
        page = reader.changes(start, end, limit, PageCursor.decode(cursor) if cursor else None, vanished)
    token = page.next.encode() if page.next else None
    if json:
        items = [as_json(item) for item in page.items]
        print_json({"since": start, "until": end, "items": items, "next_cursor": token})
        return
    for item in page.items:
        what = f"{described(item, names):<24} {item.sender[:28]:<28} {item.subject[:80]}"
        out.print(f"{item.date:%Y-%m-%d} {item.id:<16} {what}", markup=False)
    if token:
        notes.print(f"Next page: --until {end.isoformat()} --cursor {token}", markup=False)
    elif not page.items:
        notes.print("No changes.")


def described(change: "Change", names: dict[str, str]) -> str:
    """Describe a change: added, deleted, restored, +LABEL, -LABEL."""
    words = ["added"] * change.added
    if change.deleted is not None:
        words.append("deleted" if change.deleted else "restored")
    words += [f"+{names.get(label, label)}" for label in change.put_on]
    words += [f"-{names.get(label, label)}" for label in change.taken_off]
    return " ".join(words)


def as_json(change: "Change") -> dict[str, object]:
    """A change, in the gateway's JSON format."""
    return {
        "id": change.id,
        "thread_id": change.thread_id,
        "date": change.date,
        "from": change.sender,
        "subject": change.subject,
        "size_bytes": change.size_bytes,
        "added": change.added,
        "deleted": change.deleted,
        "labels_added": change.put_on,
        "labels_removed": change.taken_off,
    }
