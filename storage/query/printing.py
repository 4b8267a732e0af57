"""Prints a tree as a search: `parse(print_query(tree)) == tree` for every tree that `parse` returns."""

import re
from datetime import datetime

from storage.query.tree import Aged, And, Around, Dated, Field, Leaf, Named, Not, Or, Phrase, Sized, Text, Tree, Word

_BARE = re.compile(r'[^\s(){}"“”„+][^\s(){}"“”„]*')


def print_query(tree: Tree) -> str:
    """The search in its shortest unambiguous spelling: Or in braces, And by juxtaposition."""
    if isinstance(tree, And):
        return " ".join(_term(part) for part in tree.parts)
    return _term(tree)


def _term(tree: Tree) -> str:
    if isinstance(tree, Not):
        # A minus before AROUND would apply to its first term only.
        return f"-({_term(tree.part)})" if isinstance(tree.part, Around) else f"-{_term(tree.part)}"
    if isinstance(tree, And):
        return f"({print_query(tree)})"
    if isinstance(tree, Or):
        return "{" + " ".join(_term(part) for part in tree.parts) + "}"
    return _leaf(tree)


def _leaf(leaf: Leaf) -> str:
    if isinstance(leaf, Field):
        value = _text(leaf.value)
        return f"{leaf.operator}:({value})" if isinstance(leaf.value, Around) else f"{leaf.operator}:{value}"
    if isinstance(leaf, Named):
        value = leaf.value if _BARE.fullmatch(leaf.value) else f'"{leaf.value}"'
        return f"{leaf.operator}:{value}"
    if isinstance(leaf, Dated):
        return f"{leaf.operator}:{_moment(leaf.at)}"
    if isinstance(leaf, Aged):
        return f"{leaf.operator}:{leaf.count}{leaf.unit}"
    if isinstance(leaf, Sized):
        return f"{leaf.operator}:{leaf.size_bytes}"
    return _text(leaf)


def _text(text: Text) -> str:
    if isinstance(text, Around):
        return f"{_text(text.left)} AROUND {text.distance} {_text(text.right)}"
    if isinstance(text, Word):
        return text.text
    quoted = f'"{text.text}"'
    if isinstance(text, Phrase):
        return quoted
    bare = _BARE.fullmatch(text.text) and ":" not in text.text and not text.text.startswith(("-", "+"))
    return f"+{text.text}" if bare else f"+{quoted}"


def _moment(at: datetime) -> str:
    if at == at.replace(hour=0, minute=0, second=0):
        return f"{at.year:04}/{at.month:02}/{at.day:02}"
    return str(int(at.timestamp()))
