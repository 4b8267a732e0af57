"""`gbm db`: the databases themselves."""

import typer

from cluster.commands import db_backup, db_rebuild

app = typer.Typer(name="db", help="Keep the databases: roll up, rebuild, back up, restore.", no_args_is_help=True)
app.command()(db_rebuild.rollup)
app.command()(db_rebuild.rebuild)
app.command()(db_backup.backup)
app.command()(db_backup.restore)
