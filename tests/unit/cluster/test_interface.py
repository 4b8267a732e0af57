"""What an earlier release's settings, commands and metrics were called works still, or the changelog says that not."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster import renames
from tests.unit.cluster.interface import Interface, interface, interface_changes

_RELEASED = sorted((Path(__file__).parent / "released").glob("interface-*.json"))
_CHANGELOG = Path(__file__).parents[3] / "CHANGELOG.md"
_NOW = interface()


@pytest.mark.parametrize("path", _RELEASED, ids=lambda path: path.stem)
def test_nothing_vanishes_without_an_alias_that_the_changelog_does_not_name(path: Path) -> None:
    text = _CHANGELOG.read_text(encoding="utf-8")
    since = re.search(rf"^## \[{re.escape(path.stem.removeprefix('interface-'))}\]", text, re.MULTILINE)
    assert since, "the release has a section of its own"
    changes = interface_changes(json.loads(path.read_text(encoding="utf-8")), _NOW, renames.SETTINGS)
    unnamed = [change for change in changes if f"`{change}`" not in text[: since.start()]]
    assert not unnamed, "Name these in CHANGELOG.md, each in backticks, if they are meant:\n" + "\n".join(unnamed)


def test_the_first_release_is_kept() -> None:
    assert [path.stem for path in _RELEASED][:1] == ["interface-0.1.0"]
    kept = json.loads(_RELEASED[0].read_text(encoding="utf-8"))
    assert {name: len(kept[name]) for name in kept} == {"settings": 143, "commands": 45, "metrics": 24, "problems": 38}


def _setting(document: Interface, path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["settings"][path]
    return found


def _bound(path: str, **bounds: object) -> Callable[[Interface], None]:
    return lambda document: _setting(document, path).update(bounds)


def _is_gone(*path: str) -> Callable[[Interface], None]:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document.remove(path[-1]) if isinstance(document, list) else document.pop(path[-1])

    return change


def _an_option_has_another_name(document: Interface) -> None:
    document["commands"]["gbm export"]["--as-of"]["names"] = ["--at"]


def _an_argument_is_required(document: Interface) -> None:
    document["commands"]["gbm status"]["<shard>"] = {"names": ["shard"], "flag": False, "required": True}


def _a_choice_is_gone(document: Interface) -> None:
    document["commands"]["gbm export"]["--format"]["choices"].remove("eml")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_is_gone("settings", "archive.uri"), "setting archive.uri: gone"),
        (_bound("serve.port", type="string"), "setting serve.port: type was 'integer' and is 'string'"),
        (_bound("shards.count", maximum=16), "setting shards.count: maximum was 4096 and is 16"),
        (_bound("gmail.quota_profile", enum=["standard"]), "setting gmail.quota_profile: enum was"),
        (_is_gone("commands", "gbm export"), "command gbm export: gone"),
        (_is_gone("commands", "gbm export", "--query"), "command gbm export: --query is gone"),
        (_an_option_has_another_name, "command gbm export: --as-of no longer takes --as-of"),
        (_an_argument_is_required, "command gbm status: <shard> is required"),
        (_a_choice_is_gone, "command gbm export: --format no longer takes eml"),
        (_is_gone("metrics", "gbm_messages"), "metric gbm_messages: gone"),
        (_is_gone("problems", "invalid_query"), "problem invalid_query: gone"),
    ],
)
def test_a_change_that_breaks_somebody_is_found(change: Callable[[Interface], None], named: str) -> None:
    new = copy.deepcopy(_NOW)
    change(new)
    [found] = interface_changes(_NOW, new, {})
    assert found.startswith(named)


def test_a_setting_under_a_new_name_is_no_change_while_the_old_name_works() -> None:
    new = copy.deepcopy(_NOW)
    new["settings"]["archive.place"] = new["settings"].pop("archive.uri")
    for path in [path for path in new["settings"] if path.startswith("sealing.")]:
        new["settings"][path.replace("sealing.", "seals.")] = new["settings"].pop(path)
    assert interface_changes(_NOW, new, {"archive.uri": "archive.place", "sealing": "seals"}) == []


def test_what_is_only_added_or_widened_is_no_change() -> None:
    new = copy.deepcopy(_NOW)
    new["settings"]["archive.more"] = {"type": "string"}
    new["settings"]["shards.count"]["maximum"] = 10_000
    new["commands"]["gbm export"]["--more"] = {"names": ["--more"], "flag": True, "required": False}
    new["metrics"].append("gbm_more")
    assert interface_changes(_NOW, new, {}) == []
