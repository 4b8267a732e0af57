"""Names and sizes of modules: no private word where the field has a term, and no module over 400 lines.

Classes, functions and modules are checked, and variables, arguments and attributes.
"""

import ast
import functools
from collections.abc import Collection, Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("storage", "jobs", "actors", "serve", "cluster")
_MOST_LINES = 400

#: Private word -> the field's term.
_TERMS = {
    "Adoption": "SegmentImport",
    "Admission": "AuthMiddleware",
    "Agenda": "Scheduler",
    "Answers": "ResponseCache",
    "Asked": "StatsFilter",
    "CampaignKeeper": "CampaignSupervisor",
    "Census": "Snapshot",
    "Counting": "MailboxStats",
    "Decided": "Matches",
    "Desk": "AnalyticsResponder",
    "Documents": "ResponseModels",
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
    "NamedByServe": "ServeRequestId",
    "News": "Notify",
    "Notes": "AuditBuffer",
    "Outlived": "Expired",
    "Patiently": "RetryOnMissingFile",
    "Point": "FailPoint",
    "Politely": "RunLowPriority",
    "Position": "PageCursor",
    "Rank": "RankCursor",
    "Reached": "Hit",
    "Reckon": "Project",
    "Representation": "ConditionalResponseMiddleware",
    "Seen": "SessionToken",
    "Segmenting": "SegmentBuffer",
    "Sight": "ReadSession",
    "Slots": "HalfHours",
    "Somebody": "RandomUser",
    "StepsTold": "StepReporter",
    "Tend": "Maintain",
    "TendAll": "MaintainAll",
    "Tended": "MaintenanceReport",
    "Tending": "Maintenance",
    "Threads": "BlockingExecutor",
    "TokenDesk": "TokenService",
    "Told": "OnOutcome",
    "ToldLanguage": "DetectedLanguage",
    "Troubles": "ErrorBackoff",
    "Turns": "ReadyQueue",
    "Verdicts": "FleetAnalysisStats",
}


def _modules() -> list[Path]:
    return sorted(path for package in _PACKAGES for path in (_ROOT / package).rglob("*.py"))


#: Ordinary English in the name of a function, module or variable, private only as the name of a class.
_ORDINARY = {"Admission", "Answers", "Documents", "Frame", "Held", "Line", "Mark", "Notes", "Point", "Position"}
_ORDINARY |= {"Rank", "Reached", "Representation", "Seen", "Slots", "Threads", "Turns"}
#: And of a variable: a request or an age that was asked for.
_ORDINARY_VARIABLES = {"Asked"}


def _normal(name: str) -> str:
    """A name without case and underscores, so that `_told` and `Told` are the same word."""
    return name.replace("_", "").lower()


_PRIVATE = {_normal(word): term for word, term in _TERMS.items()}


_PRIVATE_FUNCTIONS = _PRIVATE.keys() - {_normal(word) for word in _ORDINARY}


_PRIVATE_VARIABLES = _PRIVATE_FUNCTIONS - {_normal(word) for word in _ORDINARY_VARIABLES}


def _private_definitions(source: str) -> Iterator[str]:
    """Private names of classes, functions, methods, arguments, variables and attributes, nested ones among them."""
    for node in ast.walk(ast.parse(source)):
        private: Collection[str]
        match node:
            case ast.ClassDef(name=name):
                private = _PRIVATE.keys()
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                private = _PRIVATE_FUNCTIONS
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                private = _PRIVATE_VARIABLES
            case _:
                continue
        if _normal(name) in private:
            yield name


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
    assert _private_names() == {}


def test_queries_have_the_terms_of_the_field() -> None:
    queries = [path.relative_to(_ROOT).as_posix() for path in (_ROOT / "storage/db/sql").rglob("*.sql")]

    assert queries
    assert [name for name in queries if _normal(Path(name).stem) in _PRIVATE_FUNCTIONS] == []


def test_no_module_is_over_the_bound() -> None:
    long = {path.relative_to(_ROOT).as_posix(): _lines(path) for path in _modules()}

    assert {name: lines for name, lines in long.items() if lines > _MOST_LINES} == {}


def test_a_private_name_is_found_in_every_spelling() -> None:
    source = (
        "class Tending:\n    news: int\n    def _told(self, door) -> None:\n        self._sight = 1\n"
        "        async def moments() -> None: ...\n        for desk in (): ...\n"
    )

    found = {"Tending", "news", "_told", "door", "_sight", "moments", "desk"}
    assert {*_private_definitions(source)} == found
    assert {_normal(word) for word in _ORDINARY} <= _PRIVATE.keys()
