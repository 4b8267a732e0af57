"""Selects the messages of a statistic: a search, a time range and an as-of time, as a condition on the message index.

Without a search, all messages stored by the as-of time are selected, including Spam, Trash and messages deleted since;
with a search, the messages that lists return, deleted or not. Content is decided first (storage/mailbox/search.py); the
resulting ids are part of the condition. For statistics that need Parquet, the selected ids are passed to DuckDB as a
table (`chosen`), unless the time range alone selects the messages. Blocking: call it from a thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from sqlalchemy import TextClause, text

from storage.db.sql_files import fill, postgres_sql
from storage.mailbox.as_of import as_of_values, messages_of
from storage.mailbox.query_resolver import QueryResolver
from storage.mailbox.search import SearchExecutor
from storage.model.time_range import EARLIEST, LATEST
from storage.query.conditions import Negated, Since, all_of
from storage.query.parser import parse
from storage.query.plan import Plan, plan
from storage.query.tree import EVERYTHING


@dataclass(frozen=True, slots=True)
class Span:
    """A time range: start inclusive, end exclusive."""

    first_at: datetime = EARLIEST
    last_at: datetime = LATEST


#: The range of all times.
EVER = Span()


@dataclass(frozen=True, slots=True)
class Selected:
    """The selected messages.

    span: range of received_at; the condition does not repeat it.
    condition: SQL over the message index as `m`, with values bound by name; "TRUE": all messages of the span.
    """

    span: Span
    as_of: datetime | None = None
    condition: str = "TRUE"
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_span(self) -> bool:
        """Whether the time range alone selects the messages."""
        return self.condition == "TRUE" and self.as_of is None

    def query(self, question: str) -> TextClause:
        """storage/db/sql/postgres/QUESTION.sql over the selected messages; bind `bound` as well."""
        selected = fill(postgres_sql("selected"), messages=messages_of(self.as_of), condition=self.condition)
        return text(fill(postgres_sql(question), selected=f"({selected})"))

    def bound(self, user_id: int) -> dict[str, object]:
        """The parameters of `query`, without the query's own."""
        return {
            **self.values,
            **as_of_values(self.as_of),
            "user_id": user_id,
            "first_at": self.span.first_at,
            "last_at": self.span.last_at,
        }


def planned(resolver: QueryResolver, search: str, span: Span, as_of: datetime | None) -> Plan:
    """The plan of a search within a time range.

    Raises:
        InvalidQuery.
    """
    tree = parse(search)
    meaning = resolver.of(tree, as_of or datetime.now(UTC), tree == EVERYTHING)
    return plan(all_of((meaning, Since(span.first_at), Negated(Since(span.last_at)))))


def select(executor: SearchExecutor, search_plan: Plan, as_of: datetime | None) -> Selected:
    """Select the messages that match a plan.

    Raises:
        FileDamaged, DatabaseUnreachable.
    """
    parts, values = [], dict(search_plan.index_values)
    if search_plan.with_labels:
        parts.append("m.labels @> CAST(:with_labels AS text[])")
        values["with_labels"] = list(search_plan.with_labels)
    if search_plan.without_labels:
        parts.append("NOT m.labels && CAST(:without_labels AS text[])")
        values["without_labels"] = list(search_plan.without_labels)
    if search_plan.index != "TRUE":
        parts.append(search_plan.index)
    if search_plan.asks_content:
        matches = executor.matches(search_plan)
        parts.append("m.message_id = ANY(CAST(:message_ids AS bigint[]))")
        values |= {"message_ids": matches.message_ids}
        values |= {f"set{number}": ids for number, ids in enumerate(matches.sets)}
    return Selected(Span(search_plan.after_at, search_plan.before_at), as_of, " AND ".join(parts) or "TRUE", values)


def table_of(ids: bytes | None) -> pa.Table:
    """Convert message ids (eight bytes each in network order) to a table for DuckDB: {message_id}."""
    numbers = np.frombuffer(ids or b"", dtype=">i8").astype("<i8")
    return pa.table({"message_id": numbers})
