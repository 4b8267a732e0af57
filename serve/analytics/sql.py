"""POST /api/v1/analytics/query: SQL over the caller's own mail, in an isolated process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import pyarrow as pa
from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from jobs.rendering.tables import csv_of, plain, rows_of
from serve.analytics import filters
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.mail.readers import Mailboxes
from storage.sql_sandbox import wire
from storage.sql_sandbox.config import SandboxConfig
from storage.sql_sandbox.errors import SqlBusy
from storage.sql_sandbox.process import ask

_CSV, _ARROW = "text/csv", "application/vnd.apache.arrow.stream"


class SqlQuestion(BaseModel):
    """One SELECT of DuckDB's SQL over messages, recipients, labels, label_events, attachments and analysis."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]+$")


class SqlColumn(BaseModel):
    """A column of a result."""

    name: str
    type: str = Field(description="Arrow type")


class SqlAnswer(BaseModel):
    """A result. Times are UTC; numbers that JSON cannot represent exactly are strings."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    truncated: bool = Field(description="the result had more rows")


class Sandbox:
    """Runs queries, with a limit of concurrent ones. Blocking."""

    def __init__(self, mailboxes: Mailboxes, config: SandboxConfig) -> None:
        self._mailboxes, self._config = mailboxes, config
        self._free = threading.BoundedSemaphore(config.at_a_time)

    def answer(self, principal: Any, sql: str) -> tuple[pa.Table, bool]:
        """The result, and whether it was cut.

        Raises:
            SqlBusy, and the errors of `ask`.
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


def router(sandbox: Sandbox, threads: BlockingExecutor) -> APIRouter:
    """The route."""
    routes = filters.router()

    @routes.post(
        "/query",
        summary="Query your mail in SQL",
        response_model=SqlAnswer,
        responses={200: {"content": {_CSV: {}, _ARROW: {}}}, **responses(406, 413)},
    )
    # A query can read the text of mail, so the scope analytics is not enough.
    @permits(scope=Scope.MAIL, cost=100)
    async def query(
        principal: Caller,
        body: SqlQuestion,
        accept: Annotated[str, Header(max_length=500, description="application/json, text/csv or Arrow's stream")] = "",
    ) -> Response:
        def response() -> Response:
            table, cut = sandbox.answer(principal, body.sql)
            headers = {"X-GBM-Truncated": str(cut).lower()}
            if _ARROW in accept:
                return Response(bytes(wire.packed(table)), media_type=_ARROW, headers=headers)
            if _CSV in accept:
                return Response(csv_of(table), media_type=_CSV, headers=headers)
            return Response(_json(table, cut), media_type="application/json", headers=headers)

        return await threads.run(response)

    return routes


def _json(table: pa.Table, cut: bool) -> bytes:
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    document = {
        "columns": columns,
        "rows": [[plain(value) for value in row] for row in rows_of(table)],
        "truncated": cut,
    }
    return orjson.dumps(document, default=str, option=orjson.OPT_NON_STR_KEYS)
