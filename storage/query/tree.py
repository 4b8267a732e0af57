"""The tree of a search, as it was written: frozen values, equal when they are written alike.

`all_of` and `any_of` keep trees canonical: no And directly in an And, no Or in an Or, none of one part.
And(()) is the empty search, which every message matches.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Word:
    """Text as it was written without quotation marks: found as the phrase of its words (words.py)."""

    text: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """Text as it was written in quotation marks: its words, in this order, next to each other."""

    text: str


@dataclass(frozen=True, slots=True)
class Exact:
    """`+word`, `+"a phrase"`: as a phrase, and diacritics count."""

    text: str


@dataclass(frozen=True, slots=True)
class Around:
    """`left AROUND n right`: in either order, with at most `distance` words between them."""

    left: Word | Phrase
    right: Word | Phrase
    distance: int


Text = Word | Phrase | Exact | Around


@dataclass(frozen=True, slots=True)
class Field:
    """Text in one field: from, to, cc, bcc, subject, list, filename, deliveredto."""

    operator: str
    value: Text


@dataclass(frozen=True, slots=True)
class Named:
    """Something that has a name: label, in, is, has, category, rfc822msgid. Names other than label's and
    rfc822msgid's are lower case."""

    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Dated:
    """after, newer: at this time or later; before, older: earlier than it. UTC, whole seconds."""

    operator: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Aged:
    """older_than, newer_than: `count` days (d), months (m) or years (y) before now."""

    operator: str
    count: int
    unit: str


@dataclass(frozen=True, slots=True)
class Sized:
    """larger and size: more than this; smaller: less."""

    operator: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Not:
    """`-part`."""

    part: "Tree"


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold."""

    parts: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """One part at least holds."""

    parts: "tuple[Tree, ...]"


Leaf = Word | Phrase | Exact | Around | Field | Named | Dated | Aged | Sized
Tree = Leaf | Not | And | Or
EVERYTHING = And(())


def all_of(parts: Iterable[Tree]) -> Tree:
    """The canonical And."""
    flat: list[Tree] = []
    for part in parts:
        flat += part.parts if isinstance(part, And) else (part,)
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(parts: Iterable[Tree]) -> Tree:
    """The canonical Or of at least one part."""
    flat: list[Tree] = []
    for part in parts:
        flat += part.parts if isinstance(part, Or) else (part,)
    return flat[0] if len(flat) == 1 else Or(tuple(flat))
