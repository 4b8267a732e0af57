"""`gbm bench compare`: two files of benchmark results side by side, measurement by measurement. Pure, except `read`.

A file contains one JSON document per run: what `--json` of a benchmark, or `gbm bench all`, printed. Append several
runs to one file (`>>`) to see their spread; run before and after in turns, so that both meet the same noise.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import orjson

from storage.errors import BackupError


class ResultsUnreadable(BackupError):
    """The file is not JSON of `gbm bench`. Name a file that a benchmark wrote with --json."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"The results in {self.path} cannot be read ({self.reason}): name a file that `gbm bench … --json` wrote."
        )


@dataclass(frozen=True, slots=True)
class Side:
    """A measurement in one file: the median of its runs, the least and the greatest."""

    median: float
    least: float
    greatest: float
    runs: int

    @property
    def spread(self) -> float:
        """The range of the runs as a share of their median; 0 for one run."""
        return (self.greatest - self.least) / abs(self.median) if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Compared:
    """A measurement in both files.

    ratio: after / before, of the medians; None if before is 0.
    apart: whether no run of one file lies within the range of the other's; of single runs, whether they differ.
    """

    name: str
    before: Side
    after: Side
    ratio: float | None
    apart: bool

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """rows: measurements of both files that are not the same constant; missing: names in one file only."""

    rows: tuple[Compared, ...]
    missing: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return {"rows": [row.as_json() for row in self.rows], "missing": list(self.missing)}


def read(path: Path) -> list[object]:
    """The runs in a file: one JSON document, or several, one after the other.

    Raises:
        ResultsUnreadable.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ResultsUnreadable(str(path), getattr(exc, "strerror", None) or "it is not text") from exc
    try:
        runs = [orjson.loads(document) for document in _documents(text)]
    except orjson.JSONDecodeError as exc:
        raise ResultsUnreadable(str(path), "it is not JSON") from exc
    if not runs:
        raise ResultsUnreadable(str(path), "it is empty")
    return runs


def _documents(text: str) -> Iterator[str]:
    """Split at lines that begin a document: `print_json` indents everything inside one."""
    lines: list[str] = []
    for line in text.splitlines():
        if line[:1] in ("{", "[") and lines:
            yield "\n".join(lines)
            lines = []
        if line.strip():
            lines.append(line)
    if lines:
        yield "\n".join(lines)


def compare(before: Sequence[object], after: Sequence[object]) -> Comparison:
    """Compare the runs of two files."""
    sides = _sides(before), _sides(after)
    both = [name for name in sides[0] if name in sides[1]]
    rows = [_compared(name, sides[0][name], sides[1][name]) for name in both]
    missing = [name for side, other in (sides, sides[::-1]) for name in side if name not in other]
    return Comparison(tuple(row for row in rows if not _is_constant(row)), tuple(missing))


def numbers(document: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a document with its name: the keys that lead to it, with the texts that identify list items."""
    if isinstance(document, bool):
        return
    if isinstance(document, int | float):
        yield name, float(document)
    elif isinstance(document, Mapping):
        for key, value in document.items():
            yield from numbers(value, _joined(name, str(key)))
    elif isinstance(document, list):
        for label, item in _labelled(document):
            yield from numbers(item, _joined(name, label))


def _labelled(items: list[object]) -> Iterator[tuple[str, object]]:
    seen: Counter[str] = Counter()
    for number, item in enumerate(items):
        texts = [value for value in item.values() if isinstance(value, str)] if isinstance(item, Mapping) else []
        label = ", ".join(texts) or str(number)
        seen[label] += 1
        yield (label if seen[label] == 1 else f"{label} #{seen[label]}"), item


def _joined(name: str, key: str) -> str:
    return f"{name} / {key}" if name else key


def _sides(runs: Iterable[object]) -> dict[str, Side]:
    found: dict[str, list[float]] = {}
    for run in runs:
        for name, value in numbers(run):
            found.setdefault(name, []).append(value)
    return {name: Side(median(values), min(values), max(values), len(values)) for name, values in found.items()}


def _compared(name: str, before: Side, after: Side) -> Compared:
    ratio = after.median / before.median if before.median else None
    return Compared(name, before, after, ratio, before.greatest < after.least or after.greatest < before.least)


def _is_constant(row: Compared) -> bool:
    """Whether all runs have the same value, as parameters of a benchmark do."""
    return row.before.least == row.before.greatest == row.after.least == row.after.greatest
