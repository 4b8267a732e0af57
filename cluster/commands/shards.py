"""`gbm shards`: where shards live, and moving them between the shard databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cluster.console import command, count, fail, notes, out, print_json
from cluster.opening import open_stores, settings
from cluster.stores import Stores
from storage.db.engines import DatabasesMisnamed
from storage.fleet import shard_status
from storage.moving.balance import Step, plan
from storage.moving.move import Moved, Mover, Tell

app = typer.Typer(
    help="Show in which database each shard lives; move shards while they are backed up and read.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="list")
@command
def list_shards(json: Json = False) -> None:
    """Show every shard: its database, whether it is owned and under which epoch, its users and messages."""
    with open_stores(settings()) as stores:
        shards = [
            {name: row[name] for name in ("shard_id", "database", "owned", "epoch", "users", "messages", "size_bytes")}
            for row in shard_status.shards(stores.databases, stores.shards)
        ]
        moves = Mover(stores.databases, stores.config.cluster).moves()
    if json:
        print_json({"shards": shards, "moves": moves})
        return
    for row in shards:
        owner = f"owned under epoch {row['epoch']}" if row["owned"] else "not owned"
        out.print(
            f"shard {row['shard_id']:<4} database {row['database']:<3} {owner:<24} {count(row['users'])} users, "
            f"{count(row['messages'])} messages",
            markup=False,
        )
    for move in moves:
        state = "is under way or was stopped" if move["state"] == "copying" else "is done; its former copy is kept"
        out.print(f"the move of shard {move['shard_id']} to database {move['target']} {state}", markup=False)


@app.command()
@command
def move(
    shard: Annotated[int, typer.Argument(help="The shard's number.", min=0)],
    database: Annotated[int, typer.Argument(help="Where it goes: a place in GBM_POSTGRES__SHARD_DSNS, from 0.", min=0)],
    json: Json = False,
) -> None:
    """Move a shard to another shard database. Readers go on; its backup pauses for seconds.

    A move that was stopped or killed goes on when it is asked for again. The former copy goes an hour later.
    """
    with open_stores(settings()) as stores:
        mover = Mover(stores.databases, stores.config.cluster)
        mover.clean()
        done = _moved(mover, shard, database)
    if json:
        print_json(asdict(done))
    else:
        _tell(done)


@app.command()
@command
def rebalance(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be moved.")] = False,
    json: Json = False,
) -> None:
    """Move as few shards as make the shard databases hold about equally many messages."""
    with open_stores(settings()) as stores:
        mover = Mover(stores.databases, stores.config.cluster)
        steps = _plan(stores)
        done = []
        if not dry_run:
            mover.clean()
            done = [_moved(mover, step.shard_id, step.target) for step in steps]
    if json:
        print_json({"plan": [asdict(step) for step in steps], "moved": [asdict(step) for step in done]})
        return
    for step in steps if dry_run else ():
        out.print(
            f"shard {step.shard_id}: database {step.source} -> {step.target}, {count(step.messages)} messages",
            markup=False,
        )
    for each in done:
        _tell(each)
    if not steps:
        notes.print("No move would make the databases more even.")


def _plan(stores: Stores) -> list[Step]:
    places = stores.shards
    for database in places.values():
        if database >= stores.databases.shard_databases:
            raise DatabasesMisnamed(
                f"shards live in database {database}, but it names only {stores.databases.shard_databases}"
            )
    messages = {row["shard_id"]: row["messages"] for row in shard_status.shards(stores.databases, places)}
    return plan(places, messages, stores.databases.shard_databases)


def _moved(mover: Mover, shard: int, database: int) -> Moved:
    try:
        with _shown(shard) as tell:
            return mover.move(shard, database, tell)
    except KeyboardInterrupt:
        fail(f"Stopped. Nothing is lost; to go on: gbm shards move {shard} {database}")


@contextmanager
def _shown(shard: int) -> Iterator[Tell]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        task = progress.add_task(f"shard {shard}", total=None)
        rows = 0

        def tell(table: str, number: int) -> None:
            nonlocal rows
            rows += number
            progress.update(task, description=f"shard {shard}: {table}, {count(rows)} rows copied")

        yield tell


def _tell(done: Moved) -> None:
    if done.source == done.target:
        out.print(f"shard {done.shard_id} lives in database {done.target} already", markup=False)
        return
    out.print(
        f"shard {done.shard_id} lives in database {done.target} now: {count(done.rows)} rows copied, "
        f"its backup paused for {done.paused_s:.1f} s",
        markup=False,
    )
