"""One opened split. Every query is bound to a user and returns only that user's messages.

`newest` returns messages that satisfy a condition of words (storage/query/wordfilter.py), newest first; `best` returns
the most relevant ones. Safe from any thread.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import tantivy

from storage.files.blobs import FileDamaged
from storage.fulltext.builder import MESSAGE, RECEIVED, USER, tantivy_errors
from storage.model.results import PageCursor
from storage.query.conditions import AllOf, AnyOf, Condition, Contains, Negated
from storage.query.words import is_lone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LEAST_ID = -(1 << 63)
_MUST, _MUST_NOT, _SHOULD = tantivy.Occur.Must, tantivy.Occur.MustNot, tantivy.Occur.Should
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A matching message. Hits sort by time, the newest is the greatest."""

    received_ms: int
    message_id: int

    @property
    def received_at(self) -> datetime:
        """When Gmail received it."""
        return _EPOCH + self.received_ms * _MILLISECOND


@dataclass(frozen=True, slots=True)
class SplitQuery:
    """The query that every split gets.

    words: a condition of AllOf, AnyOf, Negated and Contains.
    start: only messages after this position in a list; after_at: only messages received at this time or later.
    """

    user_id: int
    words: Condition
    start: PageCursor
    after_at: datetime


@dataclass(frozen=True, slots=True)
class Score:
    """Score of words in a field: BM25 (with this split's frequencies) times a weight."""

    field: str
    words: tuple[str, ...]
    weight: float


class Split:
    """An opened index. Its folder may be deleted while the index is open."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        index = self._guard(lambda: tantivy.Index.open(str(folder)))
        self._guard(lambda: index.config_reader("manual"))  # the index never changes, so no reload is needed
        self._schema, self._searcher = index.schema, self._guard(index.searcher)

    @property
    def parts(self) -> int:
        """Number of parts of the index; a search takes a little longer for each."""
        return self._searcher.num_segments

    def newest(self, split_query: SplitQuery, limit: int) -> list[Hit]:
        """The next `limit` messages, newest first; fewer only at the end.

        Raises:
            FileDamaged: tantivy cannot read the index.
        """
        hits = self._hits(self._bound(split_query), limit + 1)
        if len(hits) <= limit:
            return sorted(hits, reverse=True)
        # tantivy returns any of the messages that tie on a millisecond: if the limit cuts a tie, fetch all of it.
        last = hits[limit - 1].received_ms
        if hits[limit].received_ms == last:
            at = tantivy.Query.range_query(self._schema, RECEIVED, tantivy.FieldType.Integer, last, last)
            tied = self._hits(_all([self._bound(split_query), at]), self._searcher.num_docs)
            hits = [hit for hit in hits if hit.received_ms > last] + tied
        return sorted(hits, reverse=True)[:limit]

    def frequencies(self, terms: Sequence[tuple[str, str]]) -> tuple[int, list[int]]:
        """The number of messages of all users, and the number of messages with each term (field, word).

        Raises:
            FileDamaged.
        """
        return self._guard(
            lambda: (self._searcher.num_docs, [self._searcher.doc_freq(field, word) for field, word in terms])
        )

    def best(
        self, split_query: SplitQuery, scores: Sequence[Score], limit: int
    ) -> list[tuple[float, tantivy.DocAddress]]:
        """The addresses of the `limit` messages with the highest scores, highest first; `named` returns the messages.

        Raises:
            FileDamaged.
        """
        weighed = [(_SHOULD, self._weighed(score)) for score in scores]
        filtered = tantivy.Query.const_score_query(self._bound(split_query), 0.0)
        query = tantivy.Query.boolean_query([(_MUST, filtered), *weighed])

        return self._guard(lambda: self._searcher.search(query, limit, count=False).hits)

    def named(self, addresses: list[tantivy.DocAddress]) -> list[Hit]:
        """The messages at these addresses of the index.

        Raises:
            FileDamaged.
        """

        def read() -> list[Hit]:
            columns = [self._searcher.fast_field_values(name, addresses) for name in (RECEIVED, MESSAGE)]
            return [Hit(int(ms or 0), int(number or 0)) for ms, number in zip(*columns, strict=True)]

        return self._guard(read)

    def _weighed(self, score: Score) -> tantivy.Query:
        return tantivy.Query.boost_query(self._phrase(score.field, score.words), score.weight)

    def _hits(self, query: tantivy.Query, limit: int) -> list[Hit]:
        def search() -> list[Hit]:
            matches = self._searcher.search(query, limit, count=False, order_by_field=RECEIVED).hits
            message_ids = self._searcher.fast_field_values(MESSAGE, [address for _, address in matches])
            return [Hit(ms, int(number or 0)) for (ms, _), number in zip(matches, message_ids, strict=True)]

        return self._guard(search)

    def _bound(self, split_query: SplitQuery) -> tantivy.Query:
        parts = [tantivy.Query.term_query(self._schema, USER, split_query.user_id), self._query(split_query.words)]
        first, last = _milliseconds(split_query.after_at), _milliseconds(split_query.start.received_at)
        integer = tantivy.FieldType.Integer
        before = tantivy.Query.range_query(self._schema, RECEIVED, integer, first, last, include_upper=False)
        message_id = split_query.start.message_id
        if last * _MILLISECOND == split_query.start.received_at - _EPOCH and message_id > _LEAST_ID and first <= last:
            now = tantivy.Query.range_query(self._schema, RECEIVED, integer, last, last)
            older = tantivy.Query.range_query(
                self._schema, MESSAGE, integer, _LEAST_ID, message_id, include_upper=False
            )
            before = _any([before, _all([now, older])])
        return _all([*parts, before])

    def _query(self, condition: Condition) -> tantivy.Query:
        if isinstance(condition, AllOf):
            return _all([self._query(part) for part in condition.parts])
        if isinstance(condition, AnyOf):
            return _any([self._query(part) for part in condition.parts])
        if isinstance(condition, Negated):
            return tantivy.Query.boolean_query(
                [(_MUST, tantivy.Query.all_query()), (_MUST_NOT, self._query(condition.part))]
            )
        assert isinstance(condition, Contains), condition
        return _any([self._phrase(field, condition.words) for field in condition.fields])

    def _phrase(self, field: str, words: Sequence[str]) -> tantivy.Query:
        if not words:
            return tantivy.Query.empty_query()
        if len(words) == 1 and is_lone(words[0]):  # in scripts without spaces, words are pairs or single characters
            return tantivy.Query.regex_query(self._schema, field, f".?{words[0]}.?")
        if len(words) == 1:
            return tantivy.Query.term_query(self._schema, field, words[0])
        return tantivy.Query.phrase_query(self._schema, field, list(words))

    def _guard(self, work: Callable[[], _T]) -> _T:
        with tantivy_errors(lambda: FileDamaged(self.name, "tantivy cannot read it")):
            return work()


def _milliseconds(at: datetime) -> int:
    """Milliseconds since 1970, rounded up."""
    return -((_EPOCH - at) // _MILLISECOND)


def _all(parts: Iterable[tantivy.Query]) -> tantivy.Query:
    clauses = [(_MUST, part) for part in parts]
    return tantivy.Query.boolean_query(clauses) if clauses else tantivy.Query.all_query()


def _any(parts: Sequence[tantivy.Query]) -> tantivy.Query:
    if len(parts) == 1:
        return parts[0]
    return tantivy.Query.boolean_query([(_SHOULD, part) for part in parts]) if parts else tantivy.Query.empty_query()
