"""The conditions that a search puts on a message, reduced to few kinds. binder.py makes them from a tree.

Labels, times and sizes are in the message index; all other conditions are on content, which never changes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

#: The fields that are searched for a word without an operator.
ANYWHERE = ("subject", "text", "from", "to", "cc", "bcc", "filename")


@dataclass(frozen=True, slots=True)
class Labelled:
    """The message carries this label (id)."""

    label_id: str


@dataclass(frozen=True, slots=True)
class UserLabelled:
    """The message carries a label that the user created: Gmail's ids of these begin with "Label_"."""


@dataclass(frozen=True, slots=True)
class Since:
    """The message was received at this time or later."""

    at: datetime


@dataclass(frozen=True, slots=True)
class LargerThan:
    """The raw message is larger than this."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class SmallerThan:
    """The raw message is smaller than this."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Contains:
    """These words (words.words) occur in sequence in one value of one of the fields; one address is one value."""

    fields: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainsExactly:
    """As Contains, with words.exact_words. `folded`: folded words, which a matching message contains as well."""

    fields: tuple[str, ...]
    words: tuple[str, ...]
    folded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """Both phrases occur in one value of one of the fields, in either order, at most `distance` words apart."""

    fields: tuple[str, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class Mentions:
    """The text contains one of these strings, character by character."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageId:
    """The Message-ID, without angle brackets, equals this."""

    value: str


@dataclass(frozen=True, slots=True)
class Attached:
    """The message has an attachment."""


@dataclass(frozen=True, slots=True)
class Negated:
    """The part is false."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part is true; without parts, always true."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part is true; without parts, always false."""

    parts: "tuple[Condition, ...]"


IndexLeaf = Labelled | UserLabelled | Since | LargerThan | SmallerThan
ContentLeaf = Contains | ContainsExactly | Near | Mentions | MessageId | Attached
Condition = IndexLeaf | ContentLeaf | Negated | AllOf | AnyOf
ALWAYS = AllOf(())


def all_of(parts: Iterable[Condition]) -> Condition:
    """The conjunction, flattened."""
    flat: list[Condition] = []
    for part in parts:
        flat += part.parts if isinstance(part, AllOf) else (part,)
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def any_of(parts: Iterable[Condition]) -> Condition:
    """The disjunction, flattened."""
    flat: list[Condition] = []
    for part in parts:
        flat += part.parts if isinstance(part, AnyOf) else (part,)
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def negated(part: Condition) -> Condition:
    """The negation; a double negation is removed."""
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
    """The words that contribute to a match: those outside of any negation, from left to right."""
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
    """Whether content alone decides the condition. False for a condition without leaves: the index decides it."""
    condition_leaves = list(leaves(condition))
    return bool(condition_leaves) and not any(isinstance(leaf, IndexLeaf) for leaf in condition_leaves)


def is_index(condition: Condition) -> bool:
    """Whether the message index alone decides the condition."""
    return all(isinstance(leaf, IndexLeaf) for leaf in leaves(condition))
