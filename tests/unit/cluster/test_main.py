"""The entry point: a named command is imported alone, and the process ends with all that it printed."""

import subprocess
import sys
from typing import Any

import pytest
import typer

from cluster.main import _COMMANDS, _GROUPS, program, whole_program

_RUN = "import sys, {before}cluster.main as main; sys.argv = ['gbm', *{arguments!r}]; {what}; main.main()"


def run(*arguments: str, before: str = "", what: str = "pass") -> subprocess.CompletedProcess[str]:
    code = _RUN.format(before=before, arguments=arguments, what=what)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", [*_COMMANDS, *_GROUPS])
def test_a_command_is_found_by_its_name_alone(name: str) -> None:
    assert _names(program([name])) == [name]
    assert sorted(_names(whole_program())) == sorted([*_COMMANDS, *_GROUPS])


def test_only_the_module_of_the_named_command_is_imported() -> None:
    loaded = "[name for name in sys.modules if name.startswith('cluster.commands.')]"

    done = run("status", "--help", what=f"main.atexit.register(lambda: print({loaded}))")

    assert done.stdout.splitlines()[-1] == "['cluster.commands.status']"


def test_everything_printed_arrives_and_what_was_to_happen_at_the_end_happens() -> None:
    what = "main.atexit.register(print, 'z' * 1_000_000)"

    done = run("--version", what=what)

    assert (done.returncode, len(done.stdout)) == (0, 1_000_001 + len("gbm 0.0.0\n"))


@pytest.mark.parametrize(
    ("arguments", "code"), [(("status", "--nonsense"), 2), (("nonsense",), 2), (("--version",), 0)]
)
def test_the_exit_code_is_that_of_the_command(arguments: tuple[str, ...], code: int) -> None:
    assert run(*arguments).returncode == code


def test_a_thread_that_still_runs_is_waited_for() -> None:
    late = "threading.Thread(target=lambda: (time.sleep(0.3), print('late'))).start()"

    assert run("--version", before="threading, time, ", what=late).stdout.endswith("late\n")


def _names(app: typer.Typer) -> list[str]:
    registered: list[Any] = [*app.registered_commands, *app.registered_groups]
    return [item.name or item.callback.__name__ for item in registered]
