"""One user's mail as the tables of the SQL sandbox. Every table is read for that user alone. Blocking.

Ids are Gmail's hex ids, times are UTC without a zone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from storage.db.engines import Source, transaction
from storage.db.sql_files import duckdb_sql, query
from storage.files import bounded_table, duckdb_engine
from storage.mailbox import label_judgement
from storage.mailbox.acquaintance import Acquaintances
from storage.mailbox.analysis_reader import Analyses
from storage.mailbox.segment_files import MailFiles, retry_on_missing_file
from storage.model.message_id import to_hex
from storage.model.time_range import EARLIEST, LATEST

_UTC = "{} AT TIME ZONE 'UTC'"
#: The columns of `messages` and their sources: p: a row of a Parquet file; s: the message's current state.
MESSAGES: Mapping[str, str] = {
    "id": "lower(hex(p.message_id))",
    "thread_id": "lower(hex(s.thread_id))",
    "received_at": _UTC.format("p.received_at"),
    "date": _UTC.format("p.date"),
    **{name: f'p."{name}"' for name in ("from", "from_name", "from_address", "to", "cc", "bcc", "reply_to", "subject")},
    **{name: f"p.{name}" for name in ("snippet", "text", "headers", "size_bytes", "has_html", "list_id", "defects")},
    **{name: f'p."{name}"' for name in ("rfc822_message_id", "in_reply_to", "references")},
    "sha256": "lower(hex(p.sha256))",
    "has_attachment": "len(p.attachments) > 0",
    # Computed over all mail of an address, in order of date: an analyser sees single messages only.
    "first_from_sender": "row_number() OVER (PARTITION BY p.from_address ORDER BY p.received_at, p.message_id) = 1",
    "labels": "s.labels",
    "unread": "list_contains(s.labels, 'UNREAD')",
    "deleted_at": "s.deleted_at",
}
#: The columns that can change; a thread does when Gmail once answered with a wrong one.
_OF_STATE = frozenset({"thread_id", "labels", "unread", "deleted_at"})
_WITH_STATE = "JOIN state AS s ON s.message_id = p.message_id"
_ROWS = 10_000
_STATE = pa.schema(
    [
        pa.field("message_id", pa.int64()),
        pa.field("thread_id", pa.int64()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("deleted_at", pa.timestamp("us")),
    ]
)
_LABELS = pa.schema([pa.field(name, pa.string()) for name in ("message_id", "label_id", "name")])
_EVENTS = pa.schema(
    [
        pa.field("message_id", pa.string()),
        pa.field("label_id", pa.string()),
        pa.field("is_on", pa.bool_()),
        pa.field("history_id", pa.int64()),
        pa.field("observed_at", pa.timestamp("us")),
    ]
)
_RECIPIENTS = pa.schema([pa.field(name, pa.string()) for name in ("message_id", "kind", "address", "name")])
_ATTACHMENTS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("message_id", "part", "filename", "content_type")),
        pa.field("size_bytes", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("inline", pa.bool_()),
    ]
)
_ANALYSIS = "SELECT lower(hex(message_id)) AS message_id, * EXCLUDE (user_id, message_id) FROM analysis"

_ACQUAINTANCES = (
    "SELECT lower(hex(message_id)) AS message_id, received_before, written_before, written_in_thread, is_same_domain,"
    " is_sent FROM acquaintances"
)


class MailViews:
    """The views of one user."""

    def __init__(self, user_id: int, engine: Source, files: MailFiles, analyses: Analyses) -> None:
        self._user_id, self._engine, self._files, self._analyses = user_id, engine, files, analyses
        self._acquaintances = Acquaintances(user_id, engine, files)
        self._views: dict[str, Callable[[Sequence[str] | None, int], pa.Table]] = {
            "messages": self._messages,
            "recipients": lambda _, most: self._content("sandbox_recipients", _RECIPIENTS, most),
            "attachments": lambda _, most: self._content("sandbox_attachments", _ATTACHMENTS, most),
            "labels": lambda _, most: self._index("sandbox_labels", _LABELS, most),
            "label_events": lambda _, most: self._index("sandbox_label_events", _EVENTS, most),
            "analysis": self._analysis,
            "acquaintances": lambda _, most: self._acquainted(most),
        }

    @property
    def names(self) -> Sequence[str]:
        """The names of the views."""
        return list(self._views)

    def table(self, name: str, columns: Sequence[str] | None, most_bytes: int) -> pa.Table:
        """A view with at least the given columns that it has; None: with all.

        Raises:
            TableTooLarge: the view, or the table it is made from, exceeds `most_bytes`.
            FileDamaged, DatabaseUnreachable.
        """
        return retry_on_missing_file(lambda: self._views[name](columns, most_bytes))

    def _messages(self, columns: Sequence[str] | None, most_bytes: int) -> pa.Table:
        wanted = [name for name in MESSAGES if columns is None or name in columns] or ["id"]
        shown = ", ".join(f'{MESSAGES[name]} AS "{name}"' for name in wanted)
        files = self._files.names(EARLIEST, LATEST)
        if not files:
            statement = f"SELECT {', '.join(f'NULL AS {chr(34)}{name}{chr(34)}' for name in wanted)} WHERE false"
            return duckdb_engine.ask(statement, [], {})
        tables, state = {}, ""
        if not _OF_STATE.isdisjoint(wanted):
            tables, state = {"state": self._index("sandbox_state", _STATE, most_bytes)}, _WITH_STATE
        parts = {"columns": shown, "state": state}
        return self._files.table("sandbox_messages", files, {}, parts, tables, most_bytes)

    def _content(self, question: str, schema: pa.Schema, most_bytes: int) -> pa.Table:
        files = self._files.names(EARLIEST, LATEST)
        if not files:
            return schema.empty_table()
        return self._files.table(question, files, {}, most_bytes=most_bytes).cast(schema)

    def _index(self, question: str, schema: pa.Schema, most_bytes: int, **values: object) -> pa.Table:
        with transaction(self._engine) as connection:
            # Converted in pieces: Python's rows take ten times the memory.
            rows = connection.execution_options(stream_results=True, yield_per=_ROWS)
            pieces = rows.execute(query(question), {"user_id": self._user_id, **values}).partitions()
            return bounded_table.whole((_piece(rows, schema) for rows in pieces), schema, most_bytes)

    def _acquainted(self, most_bytes: int) -> pa.Table:
        tables = {"acquaintances": self._acquaintances.table()}
        return duckdb_engine.ask(_ACQUAINTANCES, [], {}, tables, most_bytes)

    def _analysis(self, columns: Sequence[str] | None, most_bytes: int) -> pa.Table:
        if columns is not None and "priority" in columns:
            columns = [*columns, *label_judgement.NEEDED]
        table = self._analyses.table(columns, most_bytes=most_bytes)
        if label_judgement.is_judgement(table):
            names = table.column_names
            state = self._index("sandbox_judged", _STATE, most_bytes, labels=list(label_judgement.LABELS))
            known = self._acquaintances.table()
            tables = {"analysis": label_judgement.completed(table), "state": state, "acquaintances": known}
            table = duckdb_engine.ask(duckdb_sql("labelled_judgements"), [], {}, tables, most_bytes).select(names)
        return duckdb_engine.ask(_ANALYSIS, [], {}, {"analysis": table}, most_bytes)


def _piece(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays(
        [_array(values, field) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def _array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    if field.name == "message_id" and field.type == pa.string():
        return pa.array([to_hex(value) for value in values], field.type)
    if pa.types.is_timestamp(field.type):
        return pa.array([value and value.replace(tzinfo=None) for value in values], field.type)
    return pa.array(values, field.type)
