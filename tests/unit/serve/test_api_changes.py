"""What an earlier release's API offered is offered still, or the changelog says that it is not."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serve.description import document
from storage.replication.session_token import MOST_CHARACTERS
from tests.unit.serve.api_changes import api_changes

_RELEASED = sorted((Path(__file__).parent / "released").glob("openapi-*.json"))
_CHANGELOG = Path(__file__).parents[3] / "CHANGELOG.md"


@pytest.mark.parametrize("path", _RELEASED, ids=lambda path: path.stem)
def test_nothing_is_taken_away_that_the_changelog_does_not_name(path: Path) -> None:
    told = _sections_since(path.stem.removeprefix("openapi-"))
    changes = api_changes(json.loads(path.read_text(encoding="utf-8")), document())
    unnamed = [change for change in changes if f"`{change}`" not in told]
    assert not unnamed, "Name these in CHANGELOG.md, each in backticks, if they are meant:\n" + "\n".join(unnamed)


def test_the_first_release_is_kept() -> None:
    assert [path.stem for path in _RELEASED][:1] == ["openapi-0.1.0"]
    assert len(json.loads(_RELEASED[0].read_text(encoding="utf-8"))["paths"]) > 30


def _sections_since(version: str) -> str:
    """The changelog from its beginning to the release's own section."""
    text = _CHANGELOG.read_text(encoding="utf-8")
    found = re.search(rf"^## \[{re.escape(version)}\]", text, re.MULTILINE)
    assert found, f"CHANGELOG.md has no section of {version}"
    return text[: found.start()]


def _emails(document: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = document["paths"]["/api/v1/emails"]["get"]
    return operation


def _a_path_is_gone(document: dict[str, Any]) -> None:
    del document["paths"]["/api/v1/labels"]


def _a_parameter_is_gone(document: dict[str, Any]) -> None:
    operation = _emails(document)
    operation["parameters"] = [one for one in operation["parameters"] if one["name"] != "label"]


def _a_parameter_is_required(document: dict[str, Any]) -> None:
    next(one for one in _emails(document)["parameters"] if one["name"] == "q")["required"] = True


def _a_limit_is_lower(document: dict[str, Any]) -> None:
    next(one for one in _emails(document)["parameters"] if one["name"] == "limit")["schema"]["maximum"] = 100


def _a_value_is_refused(document: dict[str, Any]) -> None:
    next(one for one in _emails(document)["parameters"] if one["name"] == "sort")["schema"]["enum"] = ["date"]


def _a_field_is_gone(document: dict[str, Any]) -> None:
    del document["components"]["schemas"]["EmailList"]["properties"]["next_cursor"]


def _a_field_is_another_type(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["Health"]["properties"]["status"]["type"] = "integer"


def _an_answer_is_gone(document: dict[str, Any]) -> None:
    _emails(document)["responses"]["206"] = _emails(document)["responses"].pop("200")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_a_path_is_gone, "GET /api/v1/labels: gone"),
        (_a_parameter_is_gone, "GET /api/v1/emails: the parameter query label is gone"),
        (_a_parameter_is_required, "GET /api/v1/emails: the parameter query q is required"),
        (_a_limit_is_lower, "GET /api/v1/emails: parameter query limit: maximum was 500 and is 100"),
        (_a_value_is_refused, "GET /api/v1/emails: parameter query sort: no longer takes 'relevance'"),
        (_a_field_is_gone, "GET /api/v1/emails: answer 200: the field next_cursor is gone"),
        (_a_field_is_another_type, "GET /health: answer 200.status: type was 'string' and is 'integer'"),
        (_an_answer_is_gone, "GET /api/v1/emails: the answer 200 is gone"),
    ],
)
def test_a_change_that_breaks_somebody_is_found(change: Callable[[dict[str, Any]], None], named: str) -> None:
    old = document()
    new = copy.deepcopy(old)
    change(new)
    assert named in api_changes(old, new)


def _of_position(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameter X-GBM-Position of each operation that has it."""
    operations = [one for path in document["paths"].values() for one in path.values()]
    return [one for each in operations for one in each.get("parameters", []) if one["name"] == "X-GBM-Position"]


def test_a_change_of_a_header_in_every_operation_is_named_once() -> None:
    old = document()
    new, other = (json.loads(json.dumps(old)) for _ in range(2))  # its operations share one object for the header
    for parameter in _of_position(new):
        parameter["schema"] = parameter["schema"] | {"maxLength": 10}
    line = f"parameter header X-GBM-Position: maxLength was {MOST_CHARACTERS} and is 10"
    assert api_changes(old, new) == [f"every operation: {line}"]

    others = _of_position(other)
    for parameter in others[1:]:
        parameter["schema"] = parameter["schema"] | {"maxLength": 10}
    found = api_changes(old, other)
    assert len(found) == len(others) - 1
    assert not [change for change in found if change.startswith("every operation")]


def test_additions_are_compatible() -> None:
    old = document()
    new = copy.deepcopy(old)
    new["paths"]["/api/v2/emails"] = new["paths"]["/api/v1/emails"]
    _emails(new)["parameters"].append({"in": "query", "name": "more", "schema": {"type": "string"}})
    new["components"]["schemas"]["Health"]["properties"]["more"] = {"type": "string"}
    assert api_changes(old, new) == []
    assert api_changes(old, old) == []
