"""Output of commands: data on standard output, everything else on standard error, errors as one sentence."""

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich.markup import escape

from cluster.safe_console import SafeConsole, json_escaped
from storage.errors import BackupError

P = ParamSpec("P")
R = TypeVar("R")

_RUNNING = ContextVar("running", default="gbm")

#: Output for people: progress, hints, errors.
notes = SafeConsole(stderr=True, highlight=False)
#: Output of data.
out = SafeConsole(highlight=False, soft_wrap=True)


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command: an expected error prints its sentence and exits with 1; Ctrl-C exits with 130."""

    module = function.__module__.rpartition(".")[2]
    name = f"gbm {module}" if module == function.__name__ else f"gbm {module} {function.__name__}"

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        before = _RUNNING.set(name)
        try:
            return function(*args, **kwargs)
        except BackupError as exc:
            fail(str(exc))
        except ValidationError as exc:
            error = exc.errors()[0]
            fail(f"{' '.join(str(part) for part in error['loc'])}: {error['msg']}.")
        except KeyboardInterrupt:
            notes.print("Stopped.")
            raise typer.Exit(130) from None
        finally:
            _RUNNING.reset(before)

    return run


def running() -> str:
    """The name of the running command, such as "gbm accounts add"; "gbm" outside a command."""
    return _RUNNING.get()


def fail(sentence: str) -> NoReturn:
    """Print an error and exit with code 1."""
    notes.print(f"[red]gbm:[/red] {escape(sentence)}")
    raise typer.Exit(1)


def print_json(document: object) -> None:
    """Print one JSON document on standard output. Terminal control characters are written as JSON escapes."""
    data = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    sys.stdout.buffer.write(data if data.isascii() else json_escaped(data.decode()).encode())
    sys.stdout.buffer.flush()


def count(number: float) -> str:
    """Format a number with thousands separators."""
    return f"{number:,.0f}"
