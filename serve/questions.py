"""POST /api/v1/analytics/query: SQL over the caller's own mail, in a process that has nothing else."""

import csv
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import pyarrow as pa
from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from serve import selections
from serve.admission import Caller
from serve.mailboxes import Mailboxes
from serve.policies import Scope, permits
from serve.problems import responses
from serve.threads import Threads
from storage.sandbox import wire
from storage.sandbox.config import SandboxConfig
from storage.sandbox.errors import SqlBusy, SqlInvalid
from storage.sandbox.process import ask

_CSV, _ARROW = "text/csv", "application/vnd.apache.arrow.stream"
#: A cell that a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class SqlQuestion(BaseModel):
    """One SELECT of DuckDB's SQL over messages, recipients, labels, label_events, attachments and analysis."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]+$")


class SqlColumn(BaseModel):
    """A column of an answer."""

    name: str
    type: str = Field(description="as Arrow calls it")


class SqlAnswer(BaseModel):
    """An answer. Times are UTC; numbers that JSON cannot hold exactly are texts."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    truncated: bool = Field(description="there were more rows")


class Sandbox:
    """Asks questions, so many at a time. Blocking."""

    def __init__(self, mailboxes: Mailboxes, config: SandboxConfig) -> None:
        self._mailboxes, self._config = mailboxes, config
        self._free = threading.BoundedSemaphore(config.at_a_time)

    def answer(self, principal: Any, sql: str) -> tuple[pa.Table, bool]:
        """The answer, and whether it was cut off.

        Raises:
            SqlBusy, and what `ask` raises.
        """
        with self._place():
            return ask(sql, self._mailboxes.reader(principal).views, self._config)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._free.acquire(timeout=self._config.time_s):
            raise SqlBusy
        try:
            yield
        finally:
            self._free.release()


def router(sandbox: Sandbox, threads: Threads) -> APIRouter:
    """The route."""
    routes = selections.router()

    @routes.post(
        "/query",
        summary="Ask your mail in SQL",
        response_model=SqlAnswer,
        responses={200: {"content": {_CSV: {}, _ARROW: {}}}, **responses(406, 413)},
    )
    # It reads the text of mail: a key for analytics alone may not.
    @permits(scope=Scope.MAIL, cost=100)
    async def query(
        principal: Caller,
        body: SqlQuestion,
        accept: Annotated[str, Header(max_length=500, description="application/json, text/csv or Arrow's stream")] = "",
    ) -> Response:
        def made() -> Response:
            table, cut = sandbox.answer(principal, body.sql)
            headers = {"X-GBM-Truncated": str(cut).lower()}
            if _ARROW in accept:
                return Response(bytes(wire.packed(table)), media_type=_ARROW, headers=headers)
            if _CSV in accept:
                return Response(csv_of(table), media_type=_CSV, headers=headers)
            return Response(_json(table, cut), media_type="application/json", headers=headers)

        return await threads.run(made)

    return routes


def csv_of(table: pa.Table) -> str:
    """A table as CSV (RFC 4180). Texts that a spreadsheet would run begin with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.column_names)
    for row in rows_of(table):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def rows_of(table: pa.Table) -> list[list[Any]]:
    """The rows of a table, in Python's values; of columns of one name, each.

    Raises:
        SqlInvalid: values that neither Python nor a text holds.
    """
    columns = [_values(column) for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        found: list[Any] = column.to_pylist()
    except (OverflowError, ValueError, pa.ArrowException):  # times that Python's calendar does not have
        try:
            found = column.cast(pa.string()).to_pylist()
        except (pa.ArrowException, ValueError) as exc:
            raise SqlInvalid("its answer has times beyond the years 1 to 9999: cast them to VARCHAR") from exc
    return found


def _json(table: pa.Table, cut: bool) -> bytes:
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    document = {
        "columns": columns,
        "rows": [[_plain(value) for value in row] for row in rows_of(table)],
        "truncated": cut,
    }
    return orjson.dumps(document, default=str, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not -(1 << 53) < value < 1 << 53:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    plain = _plain(value)
    return str(plain) if isinstance(plain, int | float | bool) else orjson.dumps(plain, default=str).decode().strip('"')
