"""The text of every error says what happened and what to do, in one or two sentences and in the field's words."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import actors
import cluster
import jobs
import serve
import storage
from cluster.simulator.process import SimulatorFailed
from jobs.importing.errors import MailNotFound
from storage.errors import BackupError

_PACKAGES = (storage, jobs, actors, serve, cluster)

#: Bases: only their subclasses are raised.
_BASES = {"jobs.gmail.errors.GmailError"}

#: What a parameter that is text may hold, by name; "sample" for the others. Reasons are clauses without a full stop.
_TEXTS = {
    "reason": "reason of the failure",
    "problem": "has a flaw",
    "problems": "shards.count is 0",
    "email": "ada@example.com",
    "path": "/srv/sample",
    "home": "/srv/sample",
    "what": "The sample",
    "label": "control database",
}

#: Verbs that tell the reader what to do.
_ACTIONS = (
    "add|allow|analyse|ask|begin|call|check|choose|connect|copy|correct|create|delete|disable|enter|fetch|free|get|give|"
    "install|reinstall|leave|list|lower|make|mount|move|name|open|plan|put|raise|read|reload|remove|repeat|replace|report|request|"
    "restart|restore|resume|retry|revoke|rewrite|run|see|select|send|set|sign|start|stop|store|try|upgrade|use|wait|write"
)
_ACTION = re.compile(rf"(?:[:;] |\. |, or |, and )(?:{_ACTIONS})\b", re.IGNORECASE)

_PRIVATE = re.compile(
    r"\b(?:nobody|whoever|told|tells|anew|meanwhile|moments|judgements?|verdicts?|tending|sights?|agenda|troubles|"
    r"census|desk|reckon\w*|what there is|of ours|at hand|worth nothing)\b",
    re.IGNORECASE,
)


def _errors() -> Iterator[type[BackupError]]:
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    waiting = [BackupError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.partition(".")[0] in {package.__name__ for package in _PACKAGES}:
                waiting.append(kind)
                yield kind


_ALL = sorted({f"{kind.__module__}.{kind.__name__}": kind for kind in _errors()}.items())
_RAISED = [(name, kind) for name, kind in _ALL if name not in _BASES]


def _argument(parameter: inspect.Parameter) -> Any:
    text = _TEXTS.get(parameter.name, "sample")
    kind = (
        parameter.annotation
        if isinstance(parameter.annotation, str)
        else inspect.formatannotation(parameter.annotation)
    )
    samples: dict[str, Any] = {
        "str": text,
        "int": 3,
        "float": 3.0,
        "float | None": 3.0,
        "bool": False,
        "pathlib.Path": Path("/srv/sample"),
        "tuple[int, ...]": (14, 15),
        "tuple[str, ...]": (text, text),
        "frozenset[tuple[int, int]]": frozenset({(1, 2)}),
        "collections.abc.Sequence[str]": ["The sample failed: try again."],
    }
    return samples.get(kind, text)


def _sample(kind: type[BackupError]) -> tuple[BackupError, list[str]]:
    """An instance with arguments made from its signature, and those arguments as text."""
    if kind is SimulatorFailed:  # its reason is the text of an error of the simulator's process
        return kind(str(MailNotFound(Path("/srv/sample")))), []
    if kind.__init__ is BackupError.__init__:
        return kind(), []
    parameters = [*inspect.signature(kind.__init__).parameters.values()][1:]
    arguments = [_argument(parameter) for parameter in parameters]
    return kind(*arguments), [str(argument) for argument in arguments]


def _complaints(text: str, arguments: list[str]) -> list[str]:
    """The rules that an error's text breaks."""
    sentences = len(re.findall(r"[.!?](?=\s+[A-Z`]|$)", text))
    named = text.startswith(tuple(argument for argument in arguments if argument))
    rules = {
        "has one or two sentences": 1 <= sentences <= 2,
        "starts with a capital letter or with the thing it names": named or bool(re.match(r"[A-Z0-9`'\"]|--", text)),
        "ends with a full stop": text.endswith("."),
        "says what to do": _ACTION.search(text) is not None,
        "uses no private word": _PRIVATE.search(text) is None,
    }
    return [rule for rule, kept in rules.items() if not kept]


@pytest.mark.parametrize(("name", "kind"), _RAISED, ids=[name for name, _ in _RAISED])
def test_an_error_says_what_happened_and_what_to_do(name: str, kind: type[BackupError]) -> None:
    error, arguments = _sample(kind)

    assert _complaints(str(error), arguments) == [], str(error)


def test_every_package_has_errors_and_every_exception_exists() -> None:
    assert {name.partition(".")[0] for name, _ in _ALL} == {package.__name__ for package in _PACKAGES}
    assert {name for name, _ in _ALL} >= _BASES


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Ray is not available: node timed out.", "says what to do"),
        ("nobody consented: run the command again.", "starts with a capital letter or with the thing it names"),
        ("The shard is told to stop: run it again.", "uses no private word"),
        ("The job failed: read its log", "ends with a full stop"),
        ("It failed. It was the disk. Read the log.", "has one or two sentences"),
    ],
)
def test_a_text_that_breaks_a_rule_is_found(text: str, rule: str) -> None:
    assert rule in _complaints(text, [])
