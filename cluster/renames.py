"""Names of settings that were changed. The old one works for one release, with a warning that gives the new one.

Honoured in the environment (GBM_A__B), in YAML and wherever else settings come from; CHANGELOG.md has the same table.
cluster/settings.py applies it. A value under the new name wins over the same source's old one.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

_LOG = logging.getLogger(__name__)

#: Old path -> new path, as in YAML: "archive.words_cache" -> "archive.index_cache". Remove them a release later.
SETTINGS: dict[str, str] = {}

_warned: set[str] = set()


def renamed_variables(
    environment: Mapping[str, str], prefix: str, renames: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment with old names replaced by new ones. Within whole sections as JSON nothing is replaced."""
    found = dict(environment)
    for old, new in (SETTINGS if renames is None else renames).items():
        old_name, new_name = _variable(prefix, old), _variable(prefix, new)
        for name in [name for name in found if name.upper() == old_name or name.upper().startswith(f"{old_name}__")]:
            value = found.pop(name)
            target = new_name + name[len(old_name) :]
            _warn(name.upper(), target.upper())
            if target.upper() not in {known.upper() for known in found}:
                found[target] = value
    return found


def renamed_document(document: dict[str, Any], source: str, renames: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A tree of settings with old names replaced by new ones. source: where it is from, for the warning."""
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
