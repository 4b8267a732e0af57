"""The help of every command: a summary sentence, the field's words, and examples that the parser accepts."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cluster.main import whole_program

_PRIVATE = re.compile(
    r"\b(?:nobody|whoever|told|tells?|moments?|anew|judgements?|tending|sights?|each of them)\b", re.I
)
_ROOT: Any = typer.main.get_command(whole_program())


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, group
    for child, command in getattr(group, "commands", {}).items():
        yield from _commands(command, f"{name} {child}")


_COMMANDS = [(name, command) for name, command in _commands(_ROOT, "gbm") if not command.hidden]
_EXAMPLES = [
    example
    for _, command in _COMMANDS
    for example in re.findall(r"^Example: gbm (.+)$", command.help or "", re.MULTILINE)
]


@pytest.mark.parametrize(("name", "command"), _COMMANDS, ids=[name for name, _ in _COMMANDS])
def test_help_begins_with_one_sentence_and_uses_the_terms_of_the_field(name: str, command: Any) -> None:
    texts = [command.help or "", *(getattr(option, "help", "") or "" for option in command.params)]

    assert re.match(r"[A-Z].*[.:]$", texts[0].split("\n\n")[0].replace("\n", " ")), texts[0]
    assert all(text.endswith(".") or text.startswith(("Show this", "Install")) for text in texts[1:] if text), texts
    assert [word for text in texts for word in _PRIVATE.findall(text)] == []


@pytest.mark.parametrize("example", _EXAMPLES)
def test_every_example_is_accepted_by_the_parser(example: str) -> None:
    command, arguments = _ROOT, shlex.split(example)
    context = None
    while hasattr(command, "commands"):
        context = command.make_context("gbm", [], parent=context, resilient_parsing=True)
        command = command.commands[arguments.pop(0)]

    parsed = command.make_context("gbm", arguments, parent=context)

    assert parsed.command is command


def test_commands_that_need_an_explanation_have_an_example() -> None:
    assert len(_EXAMPLES) >= 25


def test_the_former_name_of_a_benchmark_warns_and_is_not_listed() -> None:
    run = CliRunner()

    former = run.invoke(whole_program(), ["bench", "moments", "--messages", "100", "--events", "300"])

    assert former.exit_code == 1
    assert "`gbm bench moments` is deprecated: use `gbm bench as-of`." in " ".join(former.stderr.split())
    assert " moments " not in run.invoke(whole_program(), ["bench", "--help"]).stdout
