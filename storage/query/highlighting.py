"""Where a search's words stand in a text, and the pieces of text around them: plain text and positions. Pure.

A span covers at least the word: where characters fold into several words at once (language/words.py), it covers all.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storage.query.conditions import Contains
from storage.query.evaluate import starts
from storage.query.words import LONGEST_WORD, fold, is_unspaced, words

#: Characters of a text that are looked at; what stands behind is not shown.
_LOOKED_AT = 200_000
#: Characters of a fragment, of these before its first hit, and fragments of a text.
_LONG, _BEFORE, _MOST = 200, 60, 3
#: Runs that hold words: all but what separates words in ASCII.
_RUN = re.compile("[^\\x00-/:-@\\[-`{-\\x7f]+")
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a text, with a space for every white character. hits: (start, end) in it, in characters, ascending.

    offset: of the piece in the text.
    """

    text: str
    offset: int
    hits: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Highlight:
    """A fragment of a field: "subject" or "text"."""

    field: str
    fragment: Fragment


def fragments(field: str, text: str, wanted: Sequence[Contains]) -> list[Highlight]:
    """The pieces of a field's text around the first hits, in order, none overlapping another."""
    looked_at = text[:_LOOKED_AT]
    hits = _hits(looked_at, [each.words for each in wanted if field in each.fields])
    found: list[Highlight] = []
    while hits and len(found) < _MOST:
        first = hits[0][0]
        begin = _boundary(looked_at, max(0, first - _BEFORE), first)
        end = min(begin + _LONG, len(looked_at))
        inside = [(start - begin, min(stop, end) - begin) for start, stop in hits if start < end]
        found.append(Highlight(field, Fragment(_SPACE.sub(" ", looked_at[begin:end]), begin, tuple(inside))))
        hits = hits[len(inside) :]
    return found


def spans(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text (words.words), with where each begins and ends."""
    for run in _RUN.finditer(text):
        found = run[0]
        if found.isascii():
            yield found.lower()[:LONGEST_WORD], run.start(), run.end()
        else:
            yield from _within(found, run.start())


def _within(run: str, offset: int) -> Iterator[tuple[str, int, int]]:
    begin = 0
    for at in range(len(run) + 1):
        if at == len(run) or fold(run[at]) == " ":
            yield from _placed(run[begin:at], offset + begin)
            begin = at + 1


def _placed(run: str, offset: int) -> Iterator[tuple[str, int, int]]:
    found = words(run)
    if len(found) == len(run) - 1 and all(map(is_unspaced, run)):  # overlapping pairs
        for at, word in enumerate(found):
            yield word, offset + at, offset + at + 2
    else:
        for word in found:
            yield word, offset, offset + len(run)


def _hits(text: str, phrases: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Where the phrases stand, those that touch made one."""
    placed = list(spans(text)) if phrases else []
    folded = [word for word, _, _ in placed]
    found = sorted(
        (placed[at][1], placed[at + len(phrase) - 1][2]) for phrase in set(phrases) for at in starts(folded, phrase)
    )
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _boundary(text: str, at: int, last: int) -> int:
    """Where a word begins, if one does between two positions; the first otherwise."""
    if at == 0:
        return 0
    space = _SPACE.search(text, at - 1, last)
    return space.end() if space else at
