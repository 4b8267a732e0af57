"""`gbm db`: operate the databases."""

from typing import Annotated

import typer

from cluster.commands import db_backup, db_rebuild
from cluster.console import command, fail, notes, out, print_json
from cluster.lazy_imports import open_databases, settings

app = typer.Typer(help="Upgrade, back up, restore and rebuild the databases.", no_args_is_help=True)


@app.command()
@command
def upgrade(
    wait_s: Annotated[float, typer.Option(min=0, help="Seconds to wait for another upgrade of a database.")] = 600.0,
    copy: Annotated[
        bool | None,
        typer.Option("--copy/--no-copy", help="Copy the databases first; by default as GBM_UPGRADE__COPY_DATABASES."),
    ] = None,
) -> None:
    """Upgrade the control database and every shard database to the schema of this release.

    In production, run it before you deploy a release; in development, `gbm up` does it. It is safe while a cluster of
    the previous release runs, and safe to repeat. If a database fails, the others are still upgraded and the exit code
    is 1. Nothing is changed if a copy is required first and a database cannot be read.

    Example: gbm db upgrade
    """
    from cluster.home import Home
    from cluster.upgrade.upgrade import upgrading
    from storage.db import migrate

    chosen = settings()
    with open_databases(chosen) as databases, upgrading(chosen, Home(chosen.home), databases, _tell, copy):
        states = migrate.upgrade_each(databases, chosen.shards.count, _tell, wait_s, actor="command line")
    if failed := [state.label for state in states if not state.current]:
        fail(
            f"{len(failed)} of {len(states)} databases are not up to date ({', '.join(failed)}): "
            "correct the errors above and run `gbm db upgrade` again."
        )
    notes.print(f"All {len(states)} databases are up to date.")


def _tell(line: str) -> None:
    notes.print(line, markup=False, soft_wrap=True)


@app.command()
@command
def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the schema revision of every database. The exit code is 1 if a database needs an upgrade.

    Example: gbm db status
    """
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
        how = state.error or ("up to date" if state.current else f"needs {state.newest}; run: gbm db upgrade")
        out.print(f"{state.label:<28} {state.revision or 'missing':<8} {how}", markup=False)
    if not all(state.current for state in states):
        raise typer.Exit(1)


app.command()(db_rebuild.rollup)
app.command()(db_backup.backup)
app.command()(db_backup.restore)
app.command()(db_rebuild.rebuild)
