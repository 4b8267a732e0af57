"""Reduces a condition to the part that a word index can evaluate: an index of `words.words` of each field, with
positions.

The filter consists of AllOf, AnyOf, Negated and Contains. Every message that matches the condition passes the filter;
when `exact`, no other does. An index keeps a field's values apart, so that no phrase spans two values. A lone character
(words.is_lone) is looked up by itself: it matches every word that contains it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from storage.query.conditions import AllOf, AnyOf, Condition, Contains, ContainsExactly, Near, Negated, all_of, any_of
from storage.query.words import is_lone


@dataclass(frozen=True, slots=True)
class WordFilter:
    """expression: None when the index cannot narrow the search. exact: nothing is left to verify."""

    expression: Condition | None
    exact: bool


_NOTHING = WordFilter(None, False)


def word_filter(condition: Condition) -> WordFilter:
    """The narrowest filter of a condition."""
    if isinstance(condition, Contains) and len(condition.words) > 1 and any(map(is_lone, condition.words)):
        pieces = [piece for lone, run in groupby(condition.words, is_lone) for piece in _pieces(lone, run)]
        return WordFilter(all_of(Contains(condition.fields, piece) for piece in pieces), False)
    if isinstance(condition, Contains):
        return WordFilter(condition, True)
    if isinstance(condition, ContainsExactly):
        return WordFilter(word_filter(Contains(condition.fields, condition.folded)).expression, False)
    if isinstance(condition, Near):
        ends = (Contains(condition.fields, condition.left), Contains(condition.fields, condition.right))
        return WordFilter(word_filter(AllOf(ends)).expression, False)
    if isinstance(condition, Negated):
        inner = word_filter(condition.part)
        return WordFilter(Negated(inner.expression), True) if inner.exact and inner.expression else _NOTHING
    if isinstance(condition, AllOf | AnyOf):
        filters = [word_filter(part) for part in condition.parts]
        exact = all(part_filter.exact for part_filter in filters)
        parts = [part_filter.expression for part_filter in filters if part_filter.expression is not None]
        if isinstance(condition, AllOf):
            return WordFilter(all_of(parts), exact) if parts else WordFilter(None, not condition.parts)
        if parts and len(parts) == len(filters):
            return WordFilter(any_of(parts), exact)
    return _NOTHING


def _pieces(lone: bool, run: Iterable[str]) -> Iterable[tuple[str, ...]]:
    """A phrase's words, split at lone characters."""
    return ((word,) for word in run) if lone else (tuple(run),)
