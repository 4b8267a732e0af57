"""A word (words.py) as a pattern that finds it in text as it was written: for scanning without a word index.

The pattern may find more than the word, never less: every text that contains the word matches. What it finds is
verified by evaluate.py.
"""

import unicodedata
from collections import defaultdict
from functools import cache
from itertools import chain, pairwise
from typing import NamedTuple

from storage.query.words import INVISIBLE_CLASS, LONGEST_WORD, fold, is_unspaced

#: Characters of a word that are looked for: more of them makes large programs and finds hardly less.
_PREFIX = 16
#: Ideographs and Hangul syllables are what they are; beyond the last there is nothing that folds.
_FOLDING = ((0x80, 0x3400), (0xA000, 0xAC00), (0xD7A4, 0xD800), (0xF900, 0x20000), (0x2F800, 0x2FA20))
_BETWEEN = f"[{INVISIBLE_CLASS}\u0300-\u036f]*"
_ASCII_WORD = "0-9A-Za-z"


def pattern(word: str) -> str:
    """An RE2 pattern; "" matches every text."""
    marks = [unicodedata.combining(char) for char in word]
    if any(first and second for first, second in pairwise(marks)):
        return ""  # their order in the text may be another
    origins = _origins()
    prefix = word[:_PREFIX]
    pieces = []
    for at, char in enumerate(prefix):
        swallowed = at > 0 and prefix[at - 1 : at + 1] in origins.joined
        pieces.append(f"[{char}{origins.of[char]}]" + ("?" if swallowed else ""))
    found = _BETWEEN.join(pieces)
    if not is_unspaced(word[0]):
        before = f"(?:^|[^{_ASCII_WORD}])"
        after = f"(?:$|[^{_ASCII_WORD}])" if len(word) <= _PREFIX < LONGEST_WORD else ""
        found = f"{before}{found}{after}"
    else:
        found = f"(?:{found})"
    others = {origin for char in prefix for origin in origins.of[char] if origin in origins.separating}
    for char in prefix:
        for part in unicodedata.normalize("NFD", char)[1:]:  # written apart, it composes
            others |= {part, *origins.of[part]}
    if any(marks):  # a mark of the other kind of script may stand between, and goes behind it when normalized
        others |= origins.marks[not is_unspaced(word[0])]
    return f"{found}|[{''.join(sorted(others))}]" if others else found


class _Origins(NamedTuple):
    """of: a character of words -> the others that become it, alone or with more. joined: pairs that one character
    becomes. separating: the characters that also separate words. marks: those that normalizing moves, of scripts with
    and without spaces."""

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
        if folded and unicodedata.combining(folded[0]):  # it is a mark, or becomes one (the halfwidth ﾞ)
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
