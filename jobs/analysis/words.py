"""The word lists of the analysers (data/words.toml)."""

import tomllib
from functools import cache
from importlib import resources


def listed(name: str) -> frozenset[str]:
    """The words of a list, in lower case."""
    return frozenset(_lists()[name].split())


def phrases(name: str) -> tuple[str, ...]:
    """The phrases of a list, one a line, in lower case."""
    return tuple(line for line in _lists()[name].splitlines() if line)


@cache
def _lists() -> dict[str, str]:
    return tomllib.loads((resources.files("jobs.analysis") / "data" / "words.toml").read_text(encoding="utf-8"))
