"""Names and sizes of modules: no private word where the field has a term, and no module over 400 lines."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("storage", "jobs", "actors", "serve", "cluster")
_MOST_LINES = 400

#: Private word -> the field's term.
_TERMS = {
    "Adoption": "SegmentImport",
    "Agenda": "Scheduler",
    "Admission": "AuthMiddleware",
    "Answers": "ResponseCache",
    "Asked": "StatsFilter",
    "CampaignKeeper": "CampaignSupervisor",
    "Census": "Snapshot",
    "Counting": "MailboxStats",
    "Desk": "AnalyticsResponder",
    "Door": "AccessControl",
    "Everyone": "FleetSenders",
    "Finder": "SearchExecutor",
    "Frame": "RequestContextMiddleware",
    "Held": "FetchedBatch",
    "Judgements": "AnalysisStats",
    "Leftovers": "OrphanProcesses",
    "Line": "UniqueFifo",
    "Mark": "WalPosition",
    "Meanings": "QueryResolver",
    "Moments": "AsOf",
    "News": "Notify",
    "Notes": "AuditBuffer",
    "Point": "FailPoint",
    "Patiently": "RetryOnMissingFile",
    "Politely": "RunLowPriority",
    "Rank": "RankCursor",
    "Reached": "Hit",
    "Reckon": "Project",
    "Representation": "ConditionalResponseMiddleware",
    "Seen": "SessionToken",
    "Segmenting": "SegmentBuffer",
    "Sight": "ReadSession",
    "Tending": "Maintenance",
    "Tend": "Maintain",
    "TendAll": "MaintainAll",
    "Tended": "MaintenanceReport",
    "Told": "OnOutcome",
    "ToldLanguage": "DetectedLanguage",
    "StepsTold": "StepReporter",
    "NamedByServe": "ServeRequestId",
    "Outlived": "Expired",
    "Somebody": "RandomUser",
    "TokenDesk": "TokenService",
    "Troubles": "ErrorBackoff",
    "Turns": "ReadyQueue",
    "Verdicts": "FleetAnalysisStats",
}

#: Identifiers that keep a private word, with the reason. An entry that is no longer needed fails its test: delete it.
_KEPT = {
    "cluster/simulator/mbox.py:_Line": "a line of a file",
    "cluster/commands/bench.py:moments": "the former name of `gbm bench as-of`, hidden until the next release",
}

#: Modules over the bound, with the reason. An entry that is no longer needed fails its test: delete it.
_LONG: dict[str, str] = {}


def _modules() -> list[Path]:
    return sorted(path for package in _PACKAGES for path in (_ROOT / package).rglob("*.py"))


#: Ordinary English in the name of a function or module, private only as the name of a class.
_ORDINARY = {"Admission", "Answers", "Asked", "Counting", "Finder", "Frame", "Held", "Line", "Mark", "News", "Notes"}
_ORDINARY |= {"Point", "Rank", "Reached", "Representation", "Seen", "Turns"}


def _normal(name: str) -> str:
    """A name without case and underscores, so that `_told` and `Told` are the same word."""
    return name.replace("_", "").lower()


_PRIVATE = {_normal(word): term for word, term in _TERMS.items()}


_PRIVATE_FUNCTIONS = _PRIVATE.keys() - {_normal(word) for word in _ORDINARY}


def _private_definitions(source: str) -> Iterator[str]:
    """Private names of classes and functions, methods and nested ones among them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and _normal(node.name) in _PRIVATE:
            yield node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _normal(node.name) in _PRIVATE_FUNCTIONS:
            yield node.name


@functools.cache
def _private_names() -> dict[str, str]:
    """`PATH:NAME` of each private name -> the term to use."""
    names = {}
    for path in _modules():
        place = path.relative_to(_ROOT).as_posix()
        module = {path.stem} if _normal(path.stem) in _PRIVATE_FUNCTIONS else set()
        for name in module | {*_private_definitions(path.read_text())}:
            names[f"{place}:{name}"] = _PRIVATE[_normal(name)]
    return names


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_modules_classes_and_functions_have_the_terms_of_the_field() -> None:
    assert {name: term for name, term in _private_names().items() if name not in _KEPT} == {}


@pytest.mark.parametrize("name", _KEPT)
def test_a_kept_name_is_still_there(name: str) -> None:
    assert name in _private_names(), f"{name} is gone: delete its entry in _KEPT"


def test_no_module_is_over_the_bound() -> None:
    long = {path.relative_to(_ROOT).as_posix(): _lines(path) for path in _modules()}

    assert {name: lines for name, lines in long.items() if lines > _MOST_LINES and name not in _LONG} == {}


@pytest.mark.parametrize("name", _LONG)
def test_a_long_module_is_still_long(name: str) -> None:
    path = _ROOT / name

    assert path.exists() and _lines(path) > _MOST_LINES, f"{name} is within the bound: delete its entry in _LONG"


def test_a_private_name_is_found_in_every_spelling() -> None:
    source = "class Tending:\n    def _told(self) -> None:\n        async def moments() -> None: ...\n"

    assert [*_private_definitions(source)] == ["Tending", "_told", "moments"]
    assert {_normal(word) for word in _ORDINARY} <= _PRIVATE.keys()
