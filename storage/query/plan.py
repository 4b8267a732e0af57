"""Splits a condition between the message index and content (a word index, or a scan of Parquet).

The conjunctive part becomes bounds that the message index supports (`with_labels` … `before_at`). Where labels, dates
or sizes stand beside content under OR or NOT, content is decided first, per message and for each maximal part that is
content alone (`sets`); Postgres then combines the results: `m.message_id = ANY(:set0) OR m.labels @> …`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.model.time_range import EARLIEST, LATEST
from storage.query import postgres, scan
from storage.query.conditions import AllOf, Condition, Labelled, Negated, Since, all_of, is_content, is_index
from storage.query.scan import Atom
from storage.query.wordfilter import WordFilter, word_filter


@dataclass(frozen=True, slots=True)
class Plan:
    """A search, split. Every value is bound by name; no text of the search becomes part of any SQL.

    with_labels, without_labels, after_at, before_at: bounds on the message index that every match satisfies.
    rest: the condition that remains beside these bounds.
    content: the part of `rest` that content alone decides; every match satisfies it.
    sets: content beside labels, dates or sizes under OR or NOT; `index` refers to their ids as :set0 ….
    index, index_values: the remaining condition on the message index (columns of `m`); "TRUE": none remains.
    atoms: the leaves of `rest` that Parquet can decide or narrow down.
    candidates: SQL over `atoms` (columns a0 …) that every match satisfies; values: the bound values of both.
    words: the filter that a word index can apply to `rest`; exact: it decides `content`, and there are no `sets`.
    """

    with_labels: tuple[str, ...]
    without_labels: tuple[str, ...]
    after_at: datetime
    before_at: datetime
    rest: Condition
    content: Condition
    sets: tuple[Condition, ...]
    index: str
    index_values: Mapping[str, object]
    atoms: tuple[Atom, ...]
    candidates: str
    words: WordFilter
    values: Mapping[str, object]

    @property
    def asks_content(self) -> bool:
        """Whether content must be read."""
        return not is_index(self.rest)


def plan(condition: Condition) -> Plan:
    """Split a condition."""
    wanted: list[str] = []
    unwanted: list[str] = []
    after_at, before_at = EARLIEST, LATEST
    content: list[Condition] = []
    others: list[Condition] = []
    for part in condition.parts if isinstance(condition, AllOf) else (condition,):
        inner = part.part if isinstance(part, Negated) else part
        if isinstance(inner, Labelled):
            (wanted if part is inner else unwanted).append(inner.label_id)
        elif isinstance(part, Since):
            after_at = max(after_at, part.at)
        elif isinstance(inner, Since):
            before_at = min(before_at, inner.at)
        else:
            (content if is_content(part) else others).append(part)
    rest = all_of((*content, *others))
    compiled = postgres.compile_condition(all_of(others))
    scanned = scan.compile_condition(rest)
    return Plan(
        with_labels=tuple(wanted),
        without_labels=tuple(unwanted),
        after_at=after_at,
        before_at=before_at,
        rest=rest,
        content=all_of(content),
        sets=compiled.sets,
        index=compiled.sql,
        index_values=compiled.values,
        atoms=scanned.atoms,
        candidates=scanned.candidates,
        words=WordFilter(word_filter(rest).expression, not compiled.sets and word_filter(all_of(content)).exact),
        values=scanned.values,
    )
