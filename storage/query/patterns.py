"""Converts a word (words.py) to a pattern that finds it in unfolded text, for scans without a word index.

A pattern may match too much, never too little: it matches every text that contains the word. evaluate.py verifies the
matches.
"""

import unicodedata
from collections import defaultdict
from functools import cache
from itertools import chain, pairwise
from typing import NamedTuple

from storage.query.words import INVISIBLE_CLASS, LONGEST_WORD, fold, is_unspaced

#: Characters of a word in the pattern: more characters make larger programs and exclude hardly more.
_PREFIX = 16
#: Ideographs and Hangul syllables do not fold; characters beyond the last one do not fold either.
_FOLDING = ((0x80, 0x3400), (0xA000, 0xAC00), (0xD7A4, 0xD800), (0xF900, 0x20000), (0x2F800, 0x2FA20))
_BETWEEN = f"[{INVISIBLE_CLASS}\u0300-\u036f]*"
_ASCII_WORD = "0-9A-Za-z"


def pattern(word: str) -> str:
    """An RE2 pattern; "" matches every text."""
    marks = [unicodedata.combining(char) for char in word]
    if any(first and second for first, second in pairwise(marks)):
        return ""  # their order in the text may differ
    origins = _origins()
    prefix = word[:_PREFIX]
    pieces = []
    for at, char in enumerate(prefix):
        swallowed = at > 0 and prefix[at - 1 : at + 1] in origins.joined
        pieces.append(f"[{char}{origins.of[char]}]" + ("?" if swallowed else ""))
    regex = _BETWEEN.join(pieces)
    if not is_unspaced(word[0]):
        before = f"(?:^|[^{_ASCII_WORD}])"
        after = f"(?:$|[^{_ASCII_WORD}])" if len(word) <= _PREFIX < LONGEST_WORD else ""
        regex = f"{before}{regex}{after}"
    else:
        regex = f"(?:{regex})"
    others = {origin for char in prefix for origin in origins.of[char] if origin in origins.separating}
    for char in prefix:
        for part in unicodedata.normalize("NFD", char)[1:]:  # decomposed in the text, it composes
            others |= {part, *origins.of[part]}
    if any(marks):  # a mark of the other kind of script may stand between, and moves behind it when normalized
        others |= origins.marks[not is_unspaced(word[0])]
    return f"{regex}|[{''.join(sorted(others))}]" if others else regex


class _Origins(NamedTuple):
    """of: a folded character -> the characters that fold to it, alone or with others. joined: pairs that one character
    folds to. separating: the characters that also separate words. marks: characters that normalization moves, of
    scripts with and without spaces."""

    of: "defaultdict[str, str]"
    joined: set[str]
    separating: set[str]
    marks: tuple[set[str], set[str]]


@cache
def _origins() -> _Origins:
    of: defaultdict[str, str] = defaultdict(str, {chr(code): chr(code - 32) for code in range(0x61, 0x7B)})
    joined: set[str] = set()
    separating: set[str] = set()
    marks: tuple[set[str], set[str]] = (set(), set())
    for code in chain.from_iterable(range(*span) for span in _FOLDING):
        char = chr(code)
        folded = fold(char)
        if folded and unicodedata.combining(folded[0]):  # a mark, or folds to one (the halfwidth ﾞ)
            marks[is_unspaced(folded[0])].add(char)
        if folded in (char, "", " "):
            continue
        composed = unicodedata.normalize("NFC", folded)
        for part in {*folded, *composed} - {" ", char}:
            of[part] += char
        joined |= {composed[at : at + 2] for at in range(len(composed) - 1)}
        joined |= {folded[at : at + 2] for at in range(len(folded) - 1)}
        if " " in folded:
            separating.add(char)
    return _Origins(of, joined, separating, marks)
