"""`gbm db rollup`, `gbm db rebuild`: copy database state into the archive, and rebuild the databases from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from storage.recovery.rebuild import Rebuilt, Tell

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Replace = Annotated[bool, typer.Option("--replace", help="Delete the present content of the databases first.")]
#: Damaged files that are listed one by one.
_LISTED = 50


@command
def rollup(
    shard: Annotated[int | None, typer.Option("--shard", help="Only this shard.")] = None, json: Json = False
) -> None:
    """Write new label events and mailbox states into the archive now.

    `gbm db rebuild` restores the databases from these files. The running cluster writes them at least hourly
    (GBM_ARCHIVE__ROLLUP_S); use this before you shut down or move the archive. A shard without changes writes no file.

    Example: gbm db rollup
    """
    with open_stores(settings()) as stores:
        if shard is not None and shard not in stores.shards:
            fail(f"Shard {shard} does not exist: choose one from 0 to {len(stores.shards) - 1}.")
        shards = sorted(stores.shards) if shard is None else [shard]
        if stores.home.owner_pid() is None:
            from cluster.databases import roll_up_here

            done = roll_up_here(stores, shards)
        else:
            from cluster.owners import roll_up_shards

            done = roll_up_shards(stores.home, str(stores.home.recorded()["ray"]), shards)
    if json:
        print_json({"shards": [{"shard_id": key, "file": rolled and asdict(rolled)} for key, rolled in done.items()]})
        return
    for shard_id, rolled in done.items():
        written = "no changes"
        if rolled is not None:
            written = f"{count(rolled.events)} events, {count(rolled.states)} messages, {size(rolled.stored_bytes)}"
        out.print(f"shard {shard_id:<4} {written}", markup=False)


@command
def rebuild(
    address: Annotated[
        list[str] | None,
        typer.Option("--address", help="USER_ID=ADDRESS of a mailbox whose address is in no roll-up; may be repeated."),
    ] = None,
    replace: Replace = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the content of the databases and add what is only in the archive.")
    ] = False,
    json: Json = False,
) -> None:
    """Rebuild the databases from the archive's files alone.

    Use it when the databases are lost and there is no backup of them (otherwise: `gbm db restore`). Stop the cluster
    first. Users keep their ids and shards. Rolled-up state is restored row by row; a mailbox with newer mail is listed
    completely by the next sync, which fetches no stored message again. The archive contains no secrets: connect the
    accounts again (`gbm accounts login`) and create new API keys.

    With --keep, an interrupted rebuild continues, and segments that the databases lack are added: files restored after
    damage, or files newer than a restored database.

    Example: gbm db rebuild
    """
    if replace and keep:
        fail("The options --replace and --keep exclude each other: give one of them.")
    addresses = _addresses(address or [])
    from cluster.databases import idle_stores
    from cluster.databases import rebuild as rebuild_databases

    with idle_stores(settings()) as stores, progress("Rebuilding") as tell:
        done = rebuild_databases(stores, addresses, replace, keep, tell)
    if json:
        print_json(asdict(done))
    tell_rebuilt(done)
    notes.print("The archive contains no credentials, API keys or signing keys: connect every account again.")


def tell_rebuilt(done: "Rebuilt") -> None:
    """Print the result of a rebuild."""
    notes.print(
        f"Imported {count(done.segments)} segments with {count(done.messages)} messages, {count(done.mailboxes)} "
        f"mailboxes and {count(done.events)} label events. The next sync lists {count(done.relisted)} mailboxes "
        "completely.",
        markup=False,
    )
    for name, reason in done.damaged[:_LISTED]:
        notes.print(f"damaged, kept in the archive: {name} ({reason})", markup=False)
    for name in done.missing[:_LISTED]:
        notes.print(f"missing: the files of {name}; restore them from a copy", markup=False)
    for user_id in done.unnamed[:_LISTED]:
        notes.print(
            f"unknown address of user {user_id}: rebuild with --replace --address {user_id}=ADDRESS", markup=False
        )


@contextmanager
def progress(what: str) -> "Iterator[Tell]":
    """A progress bar on standard error."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(bar_width=12), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=notes, refresh_per_second=4) as bar:
        task = bar.add_task("", total=None)

        def tell(shard_id: int, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"shard {shard_id}: {done} of {total} segments")

        yield tell


def _addresses(arguments: list[str]) -> dict[int, str]:
    addresses = {}
    for text in arguments:
        user_id, _, address = text.partition("=")
        if not user_id.isdecimal() or "@" not in address:
            fail(f"{text!r} is not an address assignment: write --address USER_ID=ADDRESS.")
        addresses[int(user_id)] = address
    return addresses
