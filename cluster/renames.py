"""Renamed settings. An old name works for one release, with a warning that gives the new name.

Old names are accepted in every source: the environment (GBM_A__B), YAML and others; CHANGELOG.md has the same table.
cluster/settings.py applies it. A value under the new name wins over the same source's old one.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

_LOG = logging.getLogger(__name__)

#: Old path -> new path, as in YAML: "archive.words_cache" -> "archive.index_cache". Remove them a release later.
SETTINGS: dict[str, str] = {
    "archive.words_cache": "archive.index_cache",
    "archive.words_cache_bytes": "archive.index_cache_bytes",
    "archive.words_cache_splits": "archive.index_cache_splits",
    "analysis.plugin_patience": "analysis.plugin_failures",
    "serve.answers_bytes": "serve.response_cache_bytes",
    "serve.edge.answer_bytes_per_s": "serve.edge.response_bytes_per_s",
    "serve.edge.connections_each": "serve.edge.connections_per_address",
    "serve.edge.requests_each": "serve.edge.requests_per_address",
    "serve.sandbox.answer_bytes": "serve.sandbox.result_bytes",
    "serve.sandbox.at_a_time": "serve.sandbox.concurrent_queries",
    "serve.streams.every_s": "serve.streams.poll_s",
    "serve.streams.most": "serve.streams.max_streams",
    "serve.streams.most_each": "serve.streams.max_per_user",
    "shards.evidence.grant_again_s": "shards.evidence.grant_retry_s",
    "shards.evidence.suspect_least": "shards.evidence.suspect_minimum",
    "shards.listed_ahead": "shards.list_ahead",
    "shards.merge_s": "shards.merge_timeout_s",
    "shards.retry.filed_delay_s": "shards.retry.failed_delay_s",
    "shards.task_s": "shards.task_timeout_s",
}

_warned: set[str] = set()


def renamed_variables(
    environment: Mapping[str, str], prefix: str, renames: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment with old names replaced by new ones, also within sections that are given as JSON."""
    found = dict(environment)
    for old, new in (SETTINGS if renames is None else renames).items():
        old_name, new_name = _variable(prefix, old), _variable(prefix, new)
        for name in [name for name in found if name.upper() == old_name or name.upper().startswith(f"{old_name}__")]:
            value = found.pop(name)
            target = new_name + name[len(old_name) :]
            _warn(name.upper(), target.upper())
            if target.upper() not in {known.upper() for known in found}:
                found[target] = value
        for name in found:
            if (section := _section(name, prefix)) and old.startswith(section) and new.startswith(section):
                found[name] = _renamed_json(found[name], name, old.removeprefix(section), new.removeprefix(section))
    return found


def _section(name: str, prefix: str) -> str:
    """The path of a variable's section with a final dot; "" for a variable of another program."""
    ours = name.upper().startswith(prefix.upper())
    return name[len(prefix) :].lower().replace("__", ".") + "." if ours else ""


def _renamed_json(text: str, name: str, old: str, new: str) -> str:
    """A section as JSON with an old name replaced; other text is unchanged, and refused by the settings."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if not isinstance(document, dict):
        return text
    renamed = renamed_document(document, name.upper(), {old: new})
    return text if renamed == document else json.dumps(renamed)


def renamed_document(document: dict[str, Any], source: str, renames: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A tree of settings with old names replaced by new ones. source: its origin, for the warning."""
    found = _copied(document)
    for old, new in (SETTINGS if renames is None else renames).items():
        parent = _parent(found, old)
        name = old.rpartition(".")[2]
        if parent is None or name not in parent:
            continue
        value = parent.pop(name)
        _warn(f"{old} in {source}", new)
        _put(found, new, value)
    return found


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *sections, name = path.split(".")
    for section in sections:
        document = document.setdefault(section, {})
    if isinstance(value, dict) and isinstance(document.get(name), dict):
        document[name] = {**value, **document[name]}
    else:
        document.setdefault(name, value)


def _parent(document: dict[str, Any], path: str) -> dict[str, Any] | None:
    for section in path.split(".")[:-1]:
        inner = document.get(section)
        if not isinstance(inner, dict):
            return None
        document = inner
    return document


def _copied(document: dict[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, dict) else value for name, value in document.items()}


def _variable(prefix: str, path: str) -> str:
    return (prefix + path.replace(".", "__")).upper()


def _warn(old: str, new: str) -> None:
    if old not in _warned:
        _warned.add(old)
        _LOG.warning("The setting %s is called %s now; the old name works until the next release", old, new)


def table() -> Iterator[tuple[str, str]]:
    """Every old name and its new one, as environment variables."""
    for old, new in SETTINGS.items():
        yield _variable("GBM_", old), _variable("GBM_", new)
