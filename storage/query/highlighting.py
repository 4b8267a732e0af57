"""Finds a search's words in a text and the fragments around them: plain text and positions. Pure.

A span covers at least the word; where characters fold into several words at once (words.py), it covers all of them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storage.query.conditions import Contains
from storage.query.evaluate import starts
from storage.query.words import LONGEST_WORD, fold, is_unspaced, words

#: Characters of a text that are searched; the rest is not highlighted.
LOOKED_AT = 200_000
#: Characters of a fragment, characters of it before the first hit, and fragments per text.
_LONG, _BEFORE, _MOST = 200, 60, 3
#: Runs that contain words: everything but the ASCII characters that separate words.
_RUN = re.compile("[^\\x00-/:-@\\[-`{-\\x7f]+")
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a text; whitespace is replaced by spaces. hits: (start, end) in characters of the piece, ascending.

    offset: position of the piece in the text.
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
    """The fragments of a field's text around the first hits, in order, without overlaps."""
    looked_at = text[:LOOKED_AT]
    hits = _hits(looked_at, [phrase.words for phrase in wanted if field in phrase.fields])
    highlights: list[Highlight] = []
    while hits and len(highlights) < _MOST:
        first = hits[0][0]
        begin = _boundary(looked_at, max(0, first - _BEFORE), first)
        end = min(begin + _LONG, len(looked_at))
        inside = [(start - begin, min(stop, end) - begin) for start, stop in hits if start < end]
        highlights.append(Highlight(field, Fragment(_SPACE.sub(" ", looked_at[begin:end]), begin, tuple(inside))))
        hits = hits[len(inside) :]
    return highlights


def spans(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a text (words.words) with their start and end."""
    for run in _RUN.finditer(text):
        span = run[0]
        if span.isascii():
            yield span.lower()[:LONGEST_WORD], run.start(), run.end()
        else:
            yield from _within(span, run.start())


def _within(run: str, offset: int) -> Iterator[tuple[str, int, int]]:
    begin = 0
    for at in range(len(run) + 1):
        if at == len(run) or fold(run[at]) == " ":
            yield from _placed(run[begin:at], offset + begin)
            begin = at + 1


def _placed(run: str, offset: int) -> Iterator[tuple[str, int, int]]:
    pieces = words(run)
    if len(pieces) == len(run) - 1 and all(map(is_unspaced, run)):  # overlapping pairs
        for at, word in enumerate(pieces):
            yield word, offset + at, offset + at + 2
    else:
        for word in pieces:
            yield word, offset, offset + len(run)


def _hits(text: str, phrases: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """The spans of the phrases; touching spans are merged."""
    placed = list(spans(text)) if phrases else []
    folded = [word for word, _, _ in placed]
    matches = sorted(
        (placed[at][1], placed[at + len(phrase) - 1][2]) for phrase in set(phrases) for at in starts(folded, phrase)
    )
    merged: list[tuple[int, int]] = []
    for start, end in matches:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _boundary(text: str, at: int, last: int) -> int:
    """The first start of a word between two positions; the first position when there is none."""
    if at == 0:
        return 0
    space = _SPACE.search(text, at - 1, last)
    return space.end() if space else at
