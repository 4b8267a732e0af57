"""`gbm db backup`, `gbm db restore`: a copy of the databases, and back."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cluster.commands.db_rebuild import Json, Replace, progress, tell_rebuilt
from cluster.console import command, count, notes, print_json
from cluster.opening import open_stores, settings
from jobs.rendering.units import size


@command
def backup(
    path: Annotated[Path, typer.Option("--out", help="The folder to write; it must not exist.")], json: Json = False
) -> None:
    """Copy the databases into a folder, while the cluster runs or not.

    Mail is not in it, the archive has that. Secrets are, sealed: the key that opens them (GBM_HOME/sealing.key, or
    GBM_SEALING__KEY) is not, so keep a copy of it somewhere else.
    """
    from storage.recovery.dump import back_up

    with open_stores(settings()) as stores, notes.status("") as status:
        dumped = back_up(
            stores.databases,
            path.absolute(),
            lambda database, table, done, total: status.update(f"{database}: {table} ({done + 1} of {total})"),
        )
    if json:
        print_json({"path": str(dumped.path), "taken_at": dumped.taken_at, "rows": dumped.rows})
    notes.print(f"{count(dumped.rows)} rows, {size(dumped.stored_bytes)}, in {path}", markup=False)
    notes.print("The sealing key is not in it: keep a copy of that elsewhere.")


@command
def restore(
    path: Annotated[Path, typer.Argument(help="A folder that `gbm db backup` wrote.")],
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Put a backup into empty databases, and take in what the archive has since.

    The next sync reads from where each mailbox stood. The sealing key must be there. The cluster must not run.
    """
    from cluster.databases import idle_stores
    from cluster.databases import restore as restore_databases

    with idle_stores(settings()) as stores, progress("Restoring") as tell:
        document, done, opens = restore_databases(stores, path.absolute(), replace, lambda *_: None, tell)
    if json:
        print_json({"taken_at": document["taken_at"], "found": asdict(done), "sealing_key": opens})
    notes.print(f"Restored as of {document['taken_at']}.", markup=False)
    tell_rebuilt(done)
    if not opens:
        notes.print("The sealing key here does not open the backup's secrets: put the right one in its place.")
