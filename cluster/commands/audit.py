"""`gbm audit`: the log of who did what."""

from typing import Annotated

import typer

from cluster.console import command, notes, out, print_json
from cluster.opening import open_stores, settings


@command
def audit(
    after: Annotated[int, typer.Option(min=0, help="Only entries after this one, as the first column numbers.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Entries at most; the next ones with --after.")] = 100,
    action: Annotated[str | None, typer.Option(help='Only these, such as "key.create" or "shard.move".')] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who added accounts, made keys, moved shards and changed databases, oldest first."""
    from storage.db.audit import Audit

    with open_stores(settings()) as stores:
        entries = Audit(stores.databases.control).entries(after, limit, action)
    if json:
        print_json(
            [
                {
                    "id": entry.entry_id,
                    "at": entry.at.isoformat(),
                    "actor": entry.actor,
                    "action": entry.action,
                    "subject": entry.subject,
                    "detail": entry.detail,
                }
                for entry in entries
            ]
        )
        return
    for entry in entries:
        detail = " ".join(f"{name}={value}" for name, value in entry.detail.items())
        at = entry.at.strftime("%Y-%m-%d %H:%M:%S")
        out.print(
            f"{entry.entry_id:>6}  {at}  {entry.actor:<24} {entry.action:<18} {entry.subject} {detail}", markup=False
        )
    if len(entries) == limit:
        notes.print(f"There may be more: --after {entries[-1].entry_id}", markup=False)
    elif not entries:
        notes.print("Nothing is noted there.", markup=False)
