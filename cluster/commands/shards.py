"""`gbm shards`: list shards and move them between shard databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings

if TYPE_CHECKING:
    from cluster.stores import Stores
    from storage.moving.balance import Step
    from storage.moving.move import Moved, Mover, Tell

app = typer.Typer(
    help="List shards, and move them between shard databases while the cluster runs.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="list")
@command
def list_shards(json: Json = False) -> None:
    """List every shard with its database, owner epoch, users and messages, and moves that are not finished."""
    from storage.fleet import shard_status
    from storage.moving.move import Mover

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
        state = "in progress or interrupted" if move["state"] == "copying" else "done; the old copy still exists"
        out.print(f"move of shard {move['shard_id']} to database {move['target']}: {state}", markup=False)


@app.command()
@command
def move(
    shard: Annotated[int, typer.Argument(help="Number of the shard.", min=0)],
    database: Annotated[
        int, typer.Argument(help="Target: a position in GBM_POSTGRES__SHARD_DSNS, counted from 0.", min=0)
    ],
    json: Json = False,
) -> None:
    """Move a shard to another shard database.

    The shard stays readable and its backup pauses for seconds. To resume an interrupted move, run the same command
    again. The old copy is deleted an hour later.

    Example: gbm shards move 3 1
    """
    from storage.moving.move import Mover

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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the moves without making them.")] = False,
    json: Json = False,
) -> None:
    """Even out the number of messages per shard database with as few moves as possible.

    Use it after adding a database to GBM_POSTGRES__SHARD_DSNS.

    Example: gbm shards rebalance --dry-run
    """
    from storage.moving.move import Mover

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
    for moved in done:
        _tell(moved)
    if not steps:
        notes.print("The databases are balanced: no shard needs to move.")


def _plan(stores: Stores) -> list[Step]:
    from storage.db.engines import DatabasesMisnamed
    from storage.fleet import shard_status
    from storage.moving.balance import plan

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
        fail(f"The move was interrupted and can be resumed: run `gbm shards move {shard} {database}` again.")


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
        out.print(f"shard {done.shard_id} is already in database {done.target}", markup=False)
        return
    out.print(
        f"shard {done.shard_id} moved to database {done.target}: {count(done.rows)} rows copied, "
        f"backup paused for {done.paused_s:.1f} s",
        markup=False,
    )
