"""`gbm db`: the databases as an operator sees to them."""

from typing import Annotated

import typer

from cluster.commands import db_backup, db_rebuild
from cluster.console import command, fail, notes, out, print_json
from cluster.opening import open_databases, settings

app = typer.Typer(help="The databases themselves: upgrade, roll up, back up, restore, rebuild.", no_args_is_help=True)


@app.command()
@command
def upgrade(
    wait_s: Annotated[float, typer.Option(min=0, help="Seconds to wait for another upgrade of a database.")] = 600.0,
    copy: Annotated[
        bool | None,
        typer.Option("--copy/--no-copy", help="Copy the databases first; else GBM_UPGRADE__COPY_DATABASES."),
    ] = None,
) -> None:
    """Bring the control database and every shard database to this release's schema; run it before the release.

    In production nothing else does. It can run beside a cluster of the release before, and again: what is done already
    is passed over. A database that is in the way is named, the others are upgraded all the same; the exit code is 1.
    """
    from cluster.home import Home
    from cluster.upgrade.upgrade import upgrading
    from storage.db import migrate

    chosen = settings()
    with open_databases(chosen) as databases, upgrading(chosen, Home(chosen.home), databases, _tell, copy):
        states = migrate.upgrade_each(databases, chosen.shards.count, _tell, wait_s, actor="command line")
    if failed := [state.label for state in states if not state.current]:
        fail(f"{len(failed)} of {len(states)} databases are not up to date: {', '.join(failed)}; run it again.")
    notes.print(f"All {len(states)} databases are up to date.")


def _tell(line: str) -> None:
    notes.print(line, markup=False, soft_wrap=True)


@app.command()
@command
def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the schema of every database; the exit code is 1 unless this release can work on all of them."""
    from storage.db import migrate

    with open_databases(settings()) as databases:
        states = migrate.states(databases)
    if json:
        print_json(
            [
                {
                    "database": state.label,
                    "revision": state.revision,
                    "newest": state.newest,
                    "current": state.current,
                    "error": state.error,
                }
                for state in states
            ]
        )
    for state in states if not json else ():
        how = state.error or ("up to date" if state.current else f"this release needs {state.newest}: gbm db upgrade")
        out.print(f"{state.label:<28} {state.revision or 'missing':<8} {how}", markup=False)
    if not all(state.current for state in states):
        raise typer.Exit(1)


app.command()(db_rebuild.rollup)
app.command()(db_backup.backup)
app.command()(db_backup.restore)
app.command()(db_rebuild.rebuild)
