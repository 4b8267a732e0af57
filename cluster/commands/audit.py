"""`gbm audit`: the audit log."""

from typing import Annotated

import typer

from cluster.console import command, notes, out, print_json
from cluster.lazy_imports import open_stores, settings


@command
def audit(
    after: Annotated[int, typer.Option(min=0, help="Only entries after this id (the first column).")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of entries.")] = 100,
    action: Annotated[str | None, typer.Option(help='Only this action, such as "key.create" or "shard.move".')] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the audit log, oldest entry first.

    The log records who added accounts, created keys, read another user's mail, moved shards and changed databases.

    Example: gbm audit --action key.create
    """
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
        notes.print(f"Next page: --after {entries[-1].entry_id}", markup=False)
    elif not entries:
        notes.print("No entries.", markup=False)
