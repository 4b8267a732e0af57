"""READMEs name files that exist, and commands that the parser accepts."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cluster.main import whole_program

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = sorted(
    path
    for folder in (_ROOT, *(_ROOT / name for name in ("storage", "jobs", "actors", "serve", "cluster", "k8s", "tests")))
    for path in (folder.rglob("*.md") if folder != _ROOT else folder.glob("*.md"))
)
_MOST_LINES = 200


def _id(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


def _links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text)


def _anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands(text: str) -> Iterator[str]:
    """Commands of `gbm` in indented blocks, without their comments and redirections."""
    for line in re.findall(r"^ {4}(?:\$ )?gbm (.+)$", text, re.MULTILINE):
        yield re.split(r"\s+(?:#|>)", line)[0]


@pytest.mark.parametrize("path", _DOCUMENTS, ids=_id)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for link in _links(path.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{link} does not exist"
        assert not anchor or anchor in _anchors(target), f"{link} is not a heading"


@pytest.mark.parametrize("path", _DOCUMENTS, ids=_id)
def test_commands_are_accepted_by_the_parser(path: Path) -> None:
    for line in _commands(path.read_text()):
        command: Any = typer.main.get_command(whole_program())
        arguments, context = shlex.split(line), None
        while hasattr(command, "commands"):
            context = command.make_context("gbm", [], parent=context, resilient_parsing=True)
            assert arguments and arguments[0] in command.commands, f"gbm {line}"
            command = command.commands[arguments.pop(0)]
        command.make_context("gbm", arguments, parent=context)


def test_the_tables_of_modules_name_files_that_exist() -> None:
    missing = []
    for path in (_ROOT / name / "README.md" for name in ("actors", "serve", "cluster", "cluster/bench")):
        for cell in re.findall(r"^\| (.*?) \|", path.read_text(), re.MULTILINE):
            folder = path.parent
            for name in re.findall(r"`([\w/]+\.py)`", cell):
                folder = (path.parent / name).parent if "/" in name else folder
                if not (folder / Path(name).name).exists():
                    missing.append(f"{_id(path)}: {name}")
    assert missing == []


def test_the_first_readme_can_be_read_in_one_sitting() -> None:
    assert len((_ROOT / "README.md").read_text().splitlines()) <= _MOST_LINES


def test_commands_and_anchors_are_found() -> None:
    assert [*_commands("    gbm search a b   # words\n    $ gbm db status\n")] == ["search a b", "db status"]
    assert "a-mailbox-as-of-a-time" in _anchors(_ROOT / "storage" / "README.md")
