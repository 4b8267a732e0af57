"""Compares the figures of a run with those of the last one, which a file keeps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson


class Change(NamedTuple):
    """A figure that differs. name: its place in the document, such as `judgements.0.high`; None: not measured then."""

    name: str
    before: float | None
    after: float | None


def compared(path: Path, result: dict[str, Any]) -> list[Change] | None:
    """The changes since the last run, and keep this run's figures; None: there was no last run."""
    before = orjson.loads(path.read_bytes()) if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(result))
    if before is None:
        return None
    old, new = dict(_figures("", before)), dict(_figures("", result))
    return [Change(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)]


def _figures(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield name, float(value)
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, inner in items:
        label = inner.get("kind") or inner.get("domain") or key if isinstance(inner, dict) else key
        yield from _figures(f"{name}.{label}" if name else str(label), inner)
