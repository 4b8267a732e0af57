"""`gbm db backup`, `gbm db restore`: back up and restore the databases."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cluster.commands.db_rebuild import Json, Replace, progress, tell_rebuilt
from cluster.console import command, count, notes, print_json
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size


@command
def backup(
    path: Annotated[Path, typer.Option("--out", help="Folder to create; it must not exist.")], json: Json = False
) -> None:
    """Back up the databases into a folder; the cluster may be running.

    The backup contains no mail, which is in the archive. It contains encrypted credentials but not the sealing key that
    decrypts them (GBM_HOME/sealing.key or GBM_SEALING__KEY): keep a copy of that key elsewhere.

    Example: gbm db backup --out /backups/gbm-2026-11-29
    """
    from storage.db.audit import BACKUP_ACTION, Audit
    from storage.recovery.dump import back_up

    with open_stores(settings()) as stores, notes.status("") as status:
        dumped = back_up(
            stores.databases,
            path.absolute(),
            lambda database, table, done, total: status.update(f"{database}: {table} ({done + 1} of {total})"),
        )
        detail = {"rows": dumped.rows, "bytes": dumped.stored_bytes}
        Audit(stores.databases.control).note([("command line", BACKUP_ACTION, str(dumped.path), detail)])
    if json:
        print_json({"path": str(dumped.path), "taken_at": dumped.taken_at, "rows": dumped.rows})
    notes.print(f"{count(dumped.rows)} rows, {size(dumped.stored_bytes)}, in {path}", markup=False)
    notes.print("The backup does not contain the sealing key: keep a copy of the key elsewhere.")


@command
def restore(
    path: Annotated[Path, typer.Argument(help="A folder written by `gbm db backup`.")],
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Restore a backup into empty databases and import newer segments from the archive.

    Stop the cluster first, and put the sealing key of the backup in place. The next sync continues each mailbox from
    its state at the time of the backup.

    Example: gbm db restore /backups/gbm-2026-11-29
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
        notes.print("The sealing key does not decrypt the backup's credentials: replace it with the backup's key.")
