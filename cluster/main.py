"""`gbm`: the command line. Commands live in cluster/commands; heavy imports wait for their command.

A command that is named is imported alone. All of them together, with the interfaces that Typer makes of them, take
0.1 s of processor time, for which every `gbm status` would wait.
"""

import atexit
import gc
import os
import sys
import threading
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Annotated

import typer

from storage.version import VERSION

#: Module of each command in cluster/commands, in the order of `gbm --help`.
_COMMANDS = {
    "demo": "demo",
    "up": "up",
    "down": "up",
    "upgrade": "upgrade",
    "status": "status",
    "doctor": "doctor",
    "simulate": "simulate",
    "backfill": "backfill",
    "sync": "backfill",
    "failures": "failures",
    "judge": "judge",
    "compact": "compact",
    "analyze": "analyze",
    "search": "search",
    "audit": "audit",
    "changes": "changes",
    "stats": "stats",
    "report": "stats",
    "sql": "sql",
    "export": "export",
    "import": "import_mail",
    "restore": "restore",
    "verify": "verify",
}
#: Functions whose names differ from their command's.
_FUNCTIONS = {"import": "import_mail"}
#: Modules of cluster/commands that hold several commands.
_GROUPS = {
    "accounts": "accounts",
    "keys": "keys",
    "shards": "shards",
    "bench": "bench_results",
    "config": "config",
    "db": "db",
    "events": "events",
    "k8s": "k8s",
}
#: Objects that are made before the collector looks for cycles among them. With Python's 700 it takes a seventh of the
#: time of the imports, which leave no garbage.
_NEW_OBJECTS = 100_000
#: A search term may begin with "-"; without this, "-has:attachment" would print the help.
_CONTEXTS = {"search": {"ignore_unknown_options": True, "help_option_names": ["--help"]}}


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gbm {VERSION}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Gmail Backup Manager: back up Gmail mailboxes completely, keep them current, search and export them."""


def program(names: Iterable[str]) -> typer.Typer:
    """The command line with these commands and groups only."""
    made = typer.Typer(
        name="gbm",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="New here? Run `gbm demo`. Configure with GBM_... variables or the YAML file named by GBM_CONFIG;"
        " `gbm config show` prints every setting.",
    )
    made.callback()(_program)
    for name in names:
        if name in _COMMANDS:
            function = getattr(_module(_COMMANDS[name]), _FUNCTIONS.get(name, name))
            made.command(name, context_settings=_CONTEXTS.get(name))(function)
        else:
            made.add_typer(_module(_GROUPS[name]).app, name=name)
    return made


def _module(name: str) -> ModuleType:
    return import_module(f"cluster.commands.{name}")


@cache
def whole_program() -> typer.Typer:
    """The command line with every command."""
    return program((*_COMMANDS, *_GROUPS))


def main() -> None:
    """The entry point of the `gbm` command."""
    gc.set_threshold(_NEW_OBJECTS, 20, 50)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # to look for some reads every package's metadata
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    if named == "--version":
        chosen = program(())
    elif named in _COMMANDS or named in _GROUPS:
        chosen = program([named])
    else:
        chosen = whole_program()
    try:
        chosen()
    except SystemExit as ended:
        if isinstance(ended.code, int | None) and threading.active_count() == 1:
            _end(ended.code or 0)
        raise


def _end(code: int) -> None:
    """End the process as Python does, except that modules and their objects are not taken apart first."""
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # a closed pipe, of which Python tells
        return
    os._exit(code)


if __name__ == "__main__":
    main()
