"""`gbm`: the command line. Commands live in cluster/commands, one module each; heavy imports wait for their command."""

from typing import Annotated

import typer

from cluster.commands import (
    accounts,
    analyze,
    audit,
    backfill,
    bench,
    bench_results,
    changes,
    compact,
    config,
    db,
    demo,
    export,
    failures,
    k8s,
    keys,
    restore,
    search,
    shards,
    simulate,
    sql,
    stats,
    status,
    up,
    upgrade,
)
from storage.version import VERSION


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gbm {VERSION}")
        raise typer.Exit


app = typer.Typer(
    name="gbm",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="New here? Run `gbm demo`. Configure with GBM_... variables or the YAML file named by GBM_CONFIG;"
    " `gbm config show` prints every setting.",
)


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Gmail Backup Manager: back up Gmail mailboxes completely, keep them current, search and export them."""


app.command()(demo.demo)
app.command()(up.up)
app.command()(up.down)
app.command()(upgrade.upgrade)
app.command()(status.status)
app.command()(simulate.simulate)
app.command()(backfill.backfill)
app.command()(backfill.sync)
app.command()(failures.failures)
app.command()(compact.compact)
app.command()(analyze.analyze)
# A search term may begin with "-"; without this, "-has:attachment" would print the help.
app.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})(search.search)
app.command()(audit.audit)
app.command()(changes.changes)
app.command()(stats.stats)
app.command()(stats.report)
app.command()(sql.sql)
app.command()(export.export)
app.command()(restore.restore)
app.add_typer(accounts.app, name="accounts")
app.add_typer(keys.app, name="keys")
app.add_typer(shards.app, name="shards")
bench.app.command("all")(bench_results.run_all)
bench.app.command()(bench_results.compare)
bench.app.command()(bench_results.table)
app.add_typer(bench.app, name="bench")
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")
app.add_typer(k8s.app, name="k8s")


def main() -> None:
    """The entry point of the `gbm` command."""
    app()


if __name__ == "__main__":
    main()
