"""`gbm db rollup`, `gbm db rebuild`: what only the databases know goes into the archive, and comes back from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.opening import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from storage.recovery.rebuild import Rebuilt, Tell

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Replace = Annotated[bool, typer.Option("--replace", help="Lose what the databases hold now.")]
#: Damaged files that are told one by one.
_TOLD = 50


@command
def rollup(
    shard: Annotated[int | None, typer.Option("--shard", help="Only this shard.")] = None, json: Json = False
) -> None:
    """Write label events and mailbox states that are new into files of the archive, now.

    The running cluster does so by itself, at least hourly (GBM_ARCHIVE__ROLLUP_S). With them `gbm db rebuild` gives the
    databases back as they were. A shard with nothing new writes no file.
    """
    with open_stores(settings()) as stores:
        if shard is not None and shard not in stores.shards:
            fail(f"There is no shard {shard}: there are {len(stores.shards)}, from 0.")
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
        told = "nothing new"
        if rolled is not None:
            told = f"{count(rolled.events)} events, {count(rolled.states)} messages, {size(rolled.stored_bytes)}"
        out.print(f"shard {shard_id:<4} {told}", markup=False)


@command
def rebuild(
    address: Annotated[
        list[str] | None,
        typer.Option("--address", help="USER_ID=ADDRESS of a mailbox that no roll-up names; may be repeated."),
    ] = None,
    replace: Replace = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep what the databases hold, and take in what they lack of the archive.")
    ] = False,
    json: Json = False,
) -> None:
    """Rebuild empty databases from the archive's files alone.

    Users keep their ids and shards. What was rolled up comes back row by row; the mailboxes of what was not are listed
    whole by the next sync, which fetches no stored mail again. Secrets are not in the archive: connect the accounts
    again (`gbm accounts add`) and make new API keys. The cluster must not run. With --keep it goes on where it was
    ended, takes in files that were damaged and are restored, and what is newer than databases that came from a copy.
    """
    if replace and keep:
        fail("Say --replace or --keep, not both.")
    addresses = _addresses(address or [])
    from cluster.databases import idle_stores
    from cluster.databases import rebuild as rebuild_databases

    with idle_stores(settings()) as stores, progress("Rebuilding") as tell:
        done = rebuild_databases(stores, addresses, replace, keep, tell)
    if json:
        print_json(asdict(done))
    tell_rebuilt(done)
    notes.print("Credentials, API keys and signing keys are not in the archive: connect every account again.")


def tell_rebuilt(done: "Rebuilt") -> None:
    """What was found in the archive, for people."""
    notes.print(
        f"{count(done.segments)} segments with {count(done.messages)} messages taken in, {count(done.mailboxes)} "
        f"mailboxes, {count(done.events)} label events; {count(done.relisted)} mailboxes will be listed whole.",
        markup=False,
    )
    for name, reason in done.damaged[:_TOLD]:
        notes.print(f"damaged, and kept: {name} ({reason})", markup=False)
    for name in done.missing[:_TOLD]:
        notes.print(f"missing: the files of {name}; restore them from a copy", markup=False)
    for user_id in done.unnamed[:_TOLD]:
        notes.print(
            f"nobody told the address of user {user_id}: rebuild with --replace --address {user_id}=…", markup=False
        )


@contextmanager
def progress(what: str) -> "Iterator[Tell]":
    """A bar on standard error."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(bar_width=12), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=notes, refresh_per_second=4) as bar:
        task = bar.add_task("", total=None)

        def tell(shard_id: int, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"shard {shard_id}: {done} of {total} segments")

        yield tell


def _addresses(told: list[str]) -> dict[int, str]:
    found = {}
    for text in told:
        user_id, _, address = text.partition("=")
        if not user_id.isdecimal() or "@" not in address:
            fail(f"{text} is not USER_ID=ADDRESS.")
        found[int(user_id)] = address
    return found
