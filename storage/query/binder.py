"""Binds a search to a mailbox: label names become ids, ages become times, "me" becomes the owner's address.

Decisions: days begin at midnight UTC. after and newer_than include their time; before and older_than exclude it.
has:drive and similar names look for links in the text. in:archive matches mail that is not in Inbox, Sent, Drafts,
Chats, Spam or Trash. Mail in Spam and Trash is excluded unless the search names these or in:anywhere outside of any
negation.
"""

from collections.abc import Mapping
from datetime import datetime

from storage.query import operators
from storage.query.conditions import (
    ALWAYS,
    ANYWHERE,
    AllOf,
    AnyOf,
    Attached,
    Condition,
    Contains,
    ContainsExactly,
    Labelled,
    LargerThan,
    Mentions,
    MessageId,
    Near,
    Negated,
    Since,
    SmallerThan,
    UserLabelled,
    all_of,
    any_of,
    negated,
)
from storage.query.tree import Aged, And, Around, Dated, Exact, Field, Leaf, Named, Not, Or, Sized, Text, Tree, Word
from storage.query.values import ago
from storage.query.words import exact_words, words

#: Gmail returns mail with these labels only when the search names them.
HIDDEN = ("SPAM", "TRASH")
_NOT_ARCHIVED = ("INBOX", "SENT", "DRAFT", "CHAT", *HIDDEN)
#: Operators whose names are never those of the mailbox's labels.
_WITHOUT_LABELS = frozenset(("rfc822msgid", "category", "has", "is"))
_ADDRESSES = frozenset(("from", "to", "cc", "bcc", "deliveredto"))


class Mailbox:
    """The names that a search may use in one mailbox.

    labels: label names, in lower case -> ids.
    address: the owner's; "": "me" is an ordinary word.
    """

    def __init__(self, labels: Mapping[str, str], address: str = "") -> None:
        self._labels, self._address = labels, address
        self._spelled = {_spelled(name): label_id for name, label_id in labels.items()}

    def meaning(self, tree: Tree, now: datetime, include_hidden: bool = False) -> Condition:
        """Convert a search to a condition.

        Args:
            now: reference time of ages.
            include_hidden: include Spam and Trash.
        """
        condition = self._condition(tree, now)
        if include_hidden or _asks_everywhere(tree, True):
            return condition
        shown = {label.label_id for label in _labelled(condition, True)}
        return all_of((condition, *(negated(Labelled(label)) for label in HIDDEN if label not in shown)))

    def _condition(self, tree: Tree, now: datetime) -> Condition:
        if isinstance(tree, And):
            return all_of(self._condition(part, now) for part in tree.parts)
        if isinstance(tree, Or):
            return any_of(self._condition(part, now) for part in tree.parts)
        if isinstance(tree, Not):
            return negated(self._condition(tree.part, now))
        return self._leaf(tree, now)

    def _leaf(self, leaf: Leaf, now: datetime) -> Condition:
        if isinstance(leaf, Named):
            return self._named(leaf)
        if isinstance(leaf, Dated):
            since = Since(leaf.at)
            return since if leaf.operator in ("after", "newer") else negated(since)
        if isinstance(leaf, Aged):
            since = Since(ago(now, leaf.count, leaf.unit))
            return since if leaf.operator == "newer_than" else negated(since)
        if isinstance(leaf, Sized):
            return (SmallerThan if leaf.operator == "smaller" else LargerThan)(leaf.size_bytes)
        if isinstance(leaf, Field):
            is_me = leaf.operator in _ADDRESSES and isinstance(leaf.value, Word) and leaf.value.text.lower() == "me"
            value = Word(self._address) if is_me and self._address else leaf.value
            return _text(value, (leaf.operator,))
        return _text(leaf, ANYWHERE)

    def _named(self, leaf: Named) -> Condition:
        operator, name = leaf.operator, leaf.value
        if operator == "rfc822msgid":
            return MessageId(name.strip("<> "))
        if operator == "category":
            return Labelled(operators.CATEGORIES[name])
        if operator == "has":
            return _has(name)
        if operator == "is":
            return negated(Labelled("UNREAD")) if name == "read" else Labelled(operators.STATES[name])
        if operator == "in":
            if name in operators.EVERYWHERE:
                return ALWAYS
            if name == "archive":
                return all_of(negated(Labelled(label)) for label in _NOT_ARCHIVED)
            return Labelled(operators.PLACES.get(name) or self._label(name) or name.upper())
        return Labelled(self._label(name) or operators.PLACES.get(name.lower()) or name)

    def _label(self, name: str) -> str | None:
        return self._labels.get(name.lower()) or self._spelled.get(_spelled(name))


def mentions_me(tree: Tree) -> bool:
    """Whether a search refers to the mailbox's owner, as from:me does."""
    if isinstance(tree, And | Or):
        return any(mentions_me(part) for part in tree.parts)
    if isinstance(tree, Not):
        return mentions_me(tree.part)
    return isinstance(tree, Field) and isinstance(tree.value, Word) and tree.value.text.lower() == "me"


def names_label(tree: Tree) -> bool:
    """Whether a search may name a label of the mailbox, as label:receipts and in:receipts do."""
    if isinstance(tree, And | Or):
        return any(names_label(part) for part in tree.parts)
    if isinstance(tree, Not):
        return names_label(tree.part)
    return isinstance(tree, Named) and tree.operator not in _WITHOUT_LABELS


def _text(text: Text, fields: tuple[str, ...]) -> Condition:
    if isinstance(text, Around):
        return Near(fields, tuple(words(text.left.text)), tuple(words(text.right.text)), text.distance)
    if isinstance(text, Exact):
        return ContainsExactly(fields, tuple(exact_words(text.text)), tuple(words(text.text)))
    return Contains(fields, tuple(words(text.text)))


def _has(name: str) -> Condition:
    if name == "attachment":
        return Attached()
    if name in ("userlabels", "nouserlabels"):
        return UserLabelled() if name == "userlabels" else negated(UserLabelled())
    if name in operators.LINKS:
        return Mentions(operators.LINKS[name])
    return Labelled(name.upper().replace("-", "_"))


def _spelled(name: str) -> str:
    """A label's name as typed in a search: Gmail replaces each space and slash by a hyphen."""
    return name.lower().replace(" ", "-").replace("/", "-")


def _asks_everywhere(tree: Tree, positive: bool) -> bool:
    if isinstance(tree, Not):
        return _asks_everywhere(tree.part, not positive)
    if isinstance(tree, And | Or):
        return any(_asks_everywhere(part, positive) for part in tree.parts)
    return positive and isinstance(tree, Named) and tree.operator == "in" and tree.value in operators.EVERYWHERE


def _labelled(condition: Condition, positive: bool) -> list[Labelled]:
    if isinstance(condition, Negated):
        return _labelled(condition.part, not positive)
    if isinstance(condition, AllOf | AnyOf):
        return [label for part in condition.parts for label in _labelled(part, positive)]
    return [condition] if positive and isinstance(condition, Labelled) else []
