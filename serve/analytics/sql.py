"""POST /api/v1/analytics/query: SQL over the caller's own mail, in an isolated process."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from serve.analytics import filters
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.errors import Overloaded
from serve.http.executor import BlockingExecutor
from serve.http.fair_slots import FairSlots, acting_caller
from serve.http.problems import responses
from serve.mail.readers import Mailboxes
from storage.sql_sandbox.config import SandboxConfig
from storage.sql_sandbox.encoding import Form
from storage.sql_sandbox.errors import SqlBusy
from storage.sql_sandbox.process import Answer, ask_coded

_CSV, _ARROW = "text/csv", "application/vnd.apache.arrow.stream"
_TYPES: Mapping[Form, str] = {"json": "application/json", "csv": _CSV, "arrow": _ARROW}
_PIECE = 256 << 10
#: Questions of one user that may wait for a place; more are refused at once.
_WAITING_PER_CALLER = 4


class SqlQuestion(BaseModel):
    """One SELECT of DuckDB's SQL over the views of `gbm sql --help`: messages, analysis, acquaintances and others."""

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
    """Asks questions, so many at a time, one of each user. Blocking, but for the waiting."""

    def __init__(self, mailboxes: Mailboxes, config: SandboxConfig) -> None:
        self._mailboxes, self._config = mailboxes, config
        self.slots = FairSlots(
            config.concurrent_queries, per_caller=1, waiting_per_caller=_WAITING_PER_CALLER, wait_s=config.time_s
        )

    def answer(self, principal: Any, sql: str, form: Form) -> Answer:
        """The coded answer.

        Raises:
            What `ask_coded` raises.
        """
        return ask_coded(sql, self._mailboxes.reader(principal).views, self._config, form)


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
        form: Form = "arrow" if _ARROW in accept else "csv" if _CSV in accept else "json"
        caller = acting_caller.get()
        try:
            await sandbox.slots.acquire(caller)
        except Overloaded as exc:
            raise SqlBusy from exc
        try:
            answer = await threads.run(sandbox.answer, principal, body.sql, form)
        finally:
            sandbox.slots.release(caller)
        headers = {"X-GBM-Truncated": str(answer.truncated).lower(), "Content-Length": str(answer.size)}
        return StreamingResponse(_pieces(answer.file), media_type=_TYPES[form], headers=headers)

    return routes


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
