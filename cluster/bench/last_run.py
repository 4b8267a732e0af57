"""Compares the figures of a run with those of the last one, which a file keeps."""

from pathlib import Path
from typing import Any, NamedTuple

import orjson

from cluster.bench.comparison import numbers, read


class Change(NamedTuple):
    """A figure that differs. name: as `gbm bench compare` names it; None: not measured then."""

    name: str
    before: float | None
    after: float | None


def compared(path: Path, result: dict[str, Any]) -> list[Change] | None:
    """The changes since the last run; None: there was none. Keeps this run's figures in the file.

    Raises:
        ResultsUnreadable: the file contains something else.
    """
    before = read(path) if path.exists() else []
    written = orjson.dumps(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written)
    if not before:
        return None
    old, new = dict(numbers(before[-1])), dict(numbers(orjson.loads(written)))
    return [Change(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)]
