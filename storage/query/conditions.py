"""What a search asks of a message, in the fewest kinds of condition. meaning.py makes them of a tree.

Labels, times and sizes stand in the message index; everything else is content, which never changes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

#: The fields that a word without an operator is looked for in.
ANYWHERE = ("subject", "text", "from", "to", "cc", "bcc", "filename")


@dataclass(frozen=True, slots=True)
class Labelled:
    """It carries this label (id)."""

    label_id: str


@dataclass(frozen=True, slots=True)
class UserLabelled:
    """It carries a label of the user's own: Gmail's ids of these begin with "Label_"."""


@dataclass(frozen=True, slots=True)
class Since:
    """It was received at this time or later."""

    at: datetime


@dataclass(frozen=True, slots=True)
class LargerThan:
    """Its raw bytes are more than this."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class SmallerThan:
    """Its raw bytes are fewer than this."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Contains:
    """These words (words.words) follow one another in one value of one of the fields; one address is one value."""

    fields: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainsExactly:
    """The same of words.exact_words. `folded`: the words that such a message contains, too."""

    fields: tuple[str, ...]
    words: tuple[str, ...]
    folded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """Both stand in one value of one of the fields, in either order, at most `distance` words between them."""

    fields: tuple[str, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class Mentions:
    """One of these stands in the text, character by character."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageId:
    """Its Message-ID, without angle brackets, is this."""

    value: str


@dataclass(frozen=True, slots=True)
class Attached:
    """It has an attachment."""


@dataclass(frozen=True, slots=True)
class Negated:
    """The part does not hold."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; of no parts, always."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A part holds; of no parts, never."""

    parts: "tuple[Condition, ...]"


IndexLeaf = Labelled | UserLabelled | Since | LargerThan | SmallerThan
ContentLeaf = Contains | ContainsExactly | Near | Mentions | MessageId | Attached
Condition = IndexLeaf | ContentLeaf | Negated | AllOf | AnyOf
ALWAYS = AllOf(())


def all_of(parts: Iterable[Condition]) -> Condition:
    """Their conjunction, flat."""
    flat: list[Condition] = []
    for part in parts:
        flat += part.parts if isinstance(part, AllOf) else (part,)
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def any_of(parts: Iterable[Condition]) -> Condition:
    """Their disjunction, flat."""
    flat: list[Condition] = []
    for part in parts:
        flat += part.parts if isinstance(part, AnyOf) else (part,)
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def negated(part: Condition) -> Condition:
    """Its negation; of a negation, what that negates."""
    return part.part if isinstance(part, Negated) else Negated(part)


def leaves(condition: Condition) -> Iterator[IndexLeaf | ContentLeaf]:
    """The leaves, from left to right."""
    if isinstance(condition, Negated):
        yield from leaves(condition.part)
    elif isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from leaves(part)
    else:
        yield condition


def wanted(condition: Condition) -> Iterator[Contains]:
    """What contributes to a match by being there: the words outside of any negation, from left to right."""
    if isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from wanted(part)
    elif isinstance(condition, Contains):
        yield condition
    elif isinstance(condition, ContainsExactly):
        yield Contains(condition.fields, condition.folded)
    elif isinstance(condition, Near):
        yield Contains(condition.fields, condition.left)
        yield Contains(condition.fields, condition.right)


def is_content(condition: Condition) -> bool:
    """Does content alone decide it? Not where nothing needs to be asked at all: the index can say that."""
    found = list(leaves(condition))
    return bool(found) and not any(isinstance(leaf, IndexLeaf) for leaf in found)


def is_index(condition: Condition) -> bool:
    """Does the message index alone decide it?"""
    return all(isinstance(leaf, IndexLeaf) for leaf in leaves(condition))
