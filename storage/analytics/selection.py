"""Which messages a question counts: a search, a time range and a moment, as a condition on the message index.

Without a search it is everything that was stored by the moment, Spam, Trash and what was deleted since included; with
one, what the lists find, deleted or not. Content is decided first (storage/mailbox/search.py); its ids are then part of
the condition. Where only Parquet can answer, the ids of the selected go to DuckDB as a table (`chosen`), unless the
time range alone says which they are. Blocking: call it from a thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from sqlalchemy import TextClause, text

from storage.db.sql_files import postgres_sql
from storage.mailbox.as_of import as_of_values
from storage.mailbox.query_resolver import QueryResolver
from storage.mailbox.search import SearchExecutor
from storage.model.time_range import EARLIEST, LATEST
from storage.query.conditions import Negated, Since, all_of
from storage.query.parser import parse
from storage.query.plan import Plan, plan
from storage.query.tree import EVERYTHING


@dataclass(frozen=True, slots=True)
class Span:
    """A time range: from the first moment, up to before the last."""

    first_at: datetime = EARLIEST
    last_at: datetime = LATEST


#: All times.
EVER = Span()


@dataclass(frozen=True, slots=True)
class Selected:
    """The messages that a question is about.

    span: when they were received, all that the condition does not say.
    condition: SQL over the message index as `m`, its values bound by name; "TRUE": the whole span.
    """

    span: Span
    as_of: datetime | None = None
    condition: str = "TRUE"
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_span(self) -> bool:
        """Does the time range alone say which they are?"""
        return self.condition == "TRUE" and self.as_of is None

    def query(self, question: str) -> TextClause:
        """storage/db/sql/QUESTION.sql over the selected, for Postgres; `bound` goes with it."""
        selected = postgres_sql("selected").replace("{condition}", self.condition)
        messages = "messages" if self.as_of is None else f"({postgres_sql('messages_as_of')})"
        return text(postgres_sql(question).replace("{selected}", f"({selected})").replace("{messages}", messages))

    def bound(self, user_id: int) -> dict[str, object]:
        """What `query` has bound besides the question's own values."""
        return {
            **self.values,
            **as_of_values(self.as_of),
            "user_id": user_id,
            "first_at": self.span.first_at,
            "last_at": self.span.last_at,
        }


def planned(meanings: QueryResolver, asked: str, span: Span, as_of: datetime | None) -> Plan:
    """The plan of a search within a time range.

    Raises:
        InvalidQuery.
    """
    tree = parse(asked)
    meaning = meanings.of(tree, as_of or datetime.now(UTC), tree == EVERYTHING)
    return plan(all_of((meaning, Since(span.first_at), Negated(Since(span.last_at)))))


def select(finder: SearchExecutor, found: Plan, as_of: datetime | None) -> Selected:
    """The messages that a plan finds.

    Raises:
        FileDamaged, DatabaseUnreachable.
    """
    parts, values = [], dict(found.index_values)
    if found.with_labels:
        parts.append("m.labels @> CAST(:with_labels AS text[])")
        values["with_labels"] = list(found.with_labels)
    if found.without_labels:
        parts.append("NOT m.labels && CAST(:without_labels AS text[])")
        values["without_labels"] = list(found.without_labels)
    if found.index != "TRUE":
        parts.append(found.index)
    if found.asks_content:
        decided = finder.matches(found)
        parts.append("m.message_id = ANY(CAST(:message_ids AS bigint[]))")
        values |= {"message_ids": decided.message_ids}
        values |= {f"set{number}": ids for number, ids in enumerate(decided.sets)}
    return Selected(Span(found.after_at, found.before_at), as_of, " AND ".join(parts) or "TRUE", values)


def table_of(ids: bytes | None) -> pa.Table:
    """Message ids, eight bytes each in network order, as a table for DuckDB: {message_id}."""
    numbers = np.frombuffer(ids or b"", dtype=">i8").astype("<i8")
    return pa.table({"message_id": numbers})
