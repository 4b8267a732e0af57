"""Evaluates a search on one message. This defines a search's meaning; the planner must agree with it."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.query.binder import MailboxNames
from storage.query.conditions import (
    AllOf,
    AnyOf,
    Attached,
    Condition,
    Contains,
    ContainsExactly,
    ContentLeaf,
    IndexLeaf,
    Labelled,
    LargerThan,
    Mentions,
    MessageId,
    Near,
    Negated,
    Since,
    SmallerThan,
    UserLabelled,
)
from storage.query.tree import Tree
from storage.query.words import exact_words, is_lone, words


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a message, which never changes.

    fields: the values of every text field: subject, text, from, to, cc, bcc, list, filename (one value per attachment),
        deliveredto.
    message_id: its Message-ID header.
    """

    fields: Mapping[str, tuple[str, ...]]
    message_id: str = ""
    _words: dict[str, list[list[str]]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def words(self, name: str) -> list[list[str]]:
        """The words of each value of a field; computed once."""
        if name not in self._words:
            self._words[name] = [words(text) for text in self.fields.get(name, ())]
        return self._words[name]


@dataclass(frozen=True, slots=True)
class Message:
    """A message with its current state. labels: ids."""

    content: Content
    labels: frozenset[str]
    received_at: datetime
    size_bytes: int


def matches(
    tree: Tree, message: Message, labels: Mapping[str, str], now: datetime, include_hidden: bool = False
) -> bool:
    """Whether a search matches a message.

    Args:
        labels: the mailbox's label names, in lower case -> ids.
        now: reference time of ages.
        include_hidden: include Spam and Trash.
    """
    return holds(MailboxNames(labels).meaning(tree, now, include_hidden), message)


def holds(condition: Condition, message: Message) -> bool:
    """Whether a condition is true for a message."""

    def leaf(leaf: IndexLeaf | ContentLeaf) -> bool:
        return _index(leaf, message) if isinstance(leaf, IndexLeaf) else content_holds(leaf, message.content)

    return evaluate(condition, leaf) is True


def evaluate(condition: Condition, leaf: Callable[[IndexLeaf | ContentLeaf], bool | None]) -> bool | None:
    """Evaluate a condition from its leaves; None when the result depends on leaves that are None (unknown)."""
    if isinstance(condition, Negated):
        inner = evaluate(condition.part, leaf)
        return None if inner is None else not inner
    if isinstance(condition, AllOf | AnyOf):
        decides = isinstance(condition, AnyOf)
        result: bool | None = not decides
        for part in condition.parts:
            truth = evaluate(part, leaf)
            if truth is decides:
                return decides
            if truth is None:
                result = None
        return result
    return leaf(condition)


def content_holds(leaf: ContentLeaf, content: Content) -> bool:
    """Whether a content condition is true."""
    if isinstance(leaf, MessageId):
        return content.message_id.strip("<> ") == leaf.value
    if isinstance(leaf, Attached):
        return bool(content.fields.get("filename"))
    if isinstance(leaf, Mentions):
        return any(part in text for text in content.fields.get("text", ()) for part in leaf.parts)
    if isinstance(leaf, ContainsExactly):
        # Check the folded words first: they are already computed, and few messages match them and not the exact ones.
        return content_holds(Contains(leaf.fields, leaf.folded), content) and any(
            starts(exact_words(text), leaf.words) for name in leaf.fields for text in content.fields.get(name, ())
        )
    values = (value for name in leaf.fields for value in content.words(name))
    if isinstance(leaf, Contains):
        return any(starts(value, leaf.words) for value in values)
    return any(_near(value, leaf) for value in values)


def _index(leaf: IndexLeaf, message: Message) -> bool:
    if isinstance(leaf, Labelled):
        return leaf.label_id in message.labels
    if isinstance(leaf, UserLabelled):
        return any(label.startswith("Label_") for label in message.labels)
    if isinstance(leaf, Since):
        return message.received_at >= leaf.at
    if isinstance(leaf, LargerThan):
        return message.size_bytes > leaf.size_bytes
    assert isinstance(leaf, SmallerThan)
    return message.size_bytes < leaf.size_bytes


def starts(text: Sequence[str], phrase: Sequence[str]) -> list[int]:
    """Positions at which a phrase begins in a list of words. A single character of a script without spaces matches
    every word that contains it."""
    if not phrase or len(phrase) > len(text):
        return []
    if any(map(is_lone, phrase)):
        lone = [is_lone(word) for word in phrase]
        return [at for at in range(len(text) - len(phrase) + 1) if _stands(phrase, lone, text, at)]
    first, rest = phrase[0], list(phrase[1:])
    positions, at = [], -1
    try:
        while True:
            at = text.index(first, at + 1)
            if text[at + 1 : at + 1 + len(rest)] == rest:
                positions.append(at)
    except ValueError:
        return positions


def _stands(phrase: Sequence[str], lone: Sequence[bool], text: Sequence[str], at: int) -> bool:
    return all(
        wanted in text[at + number] if lone[number] else wanted == text[at + number]
        for number, wanted in enumerate(phrase)
    )


def _near(text: Sequence[str], near: Near) -> bool:
    lefts, rights = starts(text, near.left), starts(text, near.right)
    return _follows(lefts, len(near.left), rights, near.distance) or _follows(
        rights, len(near.right), lefts, near.distance
    )


def _follows(firsts: Sequence[int], length: int, seconds: Sequence[int], distance: int) -> bool:
    """Whether a second phrase begins at most `distance` words after a first of this length ends. Both lists ascend."""
    for first in firsts:
        following = bisect_left(seconds, first + length)
        if following < len(seconds) and seconds[following] <= first + length + distance:
            return True
    return False
