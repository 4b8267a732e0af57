"""The parsed tree of a search: frozen values, equal when written alike.

`all_of` and `any_of` keep trees canonical: no And directly in an And, no Or directly in an Or, none with one part.
And(()) is the empty search, which matches every message.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Word:
    """Text without quotation marks: matches as the phrase of its words (words.py)."""

    text: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """Text in quotation marks: its words, in this order, next to each other."""

    text: str


@dataclass(frozen=True, slots=True)
class Exact:
    """`+word`, `+"a phrase"`: as a phrase, with diacritics significant."""

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
    """An operator with a name: label, in, is, has, category, rfc822msgid. Names are lower case, except those of label
    and rfc822msgid."""

    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Dated:
    """after, newer: at this time or later; before, older: before this time. UTC, whole seconds."""

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
    """larger and size: more bytes than this; smaller: fewer."""

    operator: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Not:
    """`-part`."""

    part: "Tree"


@dataclass(frozen=True, slots=True)
class And:
    """All parts match."""

    parts: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part matches."""

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
