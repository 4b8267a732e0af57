"""What every question of analytics takes: a search, a time range, a moment; and its way to an answer."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from serve.http.datetimes import Moment
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.http.response_cache import ResponseCache
from serve.mail.emails import DEPENDS_ON_TIME, AsOf, SearchText
from storage.analytics.selection import EVER, Span
from storage.analytics.stats import MailboxStats
from storage.control.principal import Principal
from storage.model.time_range import EARLIEST, LATEST, clamp

PREFIX = "/api/v1/analytics"
#: How many of something are told; more than these fill no page and no chart.
Limit = Annotated[int, Query(ge=1, le=1000)]


def router() -> APIRouter:
    """One without routes, to put some of analytics on."""
    return APIRouter(prefix=PREFIX, tags=["analytics"], responses=responses(400, 401, 422, 503))


class Reader(Protocol):
    """One user's mail. `storage.reader.MailboxReader` is one."""

    def counting(self, text: str = "", span: Span = EVER, as_of: datetime | None = None) -> MailboxStats: ...

    def version(self) -> str | None: ...


class Readers(Protocol):
    """Makes a reader of a principal's own mail. `serve.mail.readers.Mailboxes` is one."""

    def reader(self, principal: Principal) -> Reader: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the caller's messages are counted."""

    text: str
    span: Span
    as_of: datetime | None


def _selection(
    q: Annotated[
        SearchText,
        Query(
            description="count what this search finds, in Gmail's language, deleted mail too. Without one everything "
            "counts, also Spam and Trash; with one these stay out unless it asks for them"
        ),
    ] = "",
    since: Annotated[Moment | None, Query(alias="from", description="received then or later (RFC 3339)")] = None,
    to: Annotated[Moment | None, Query(description="received before (RFC 3339)")] = None,
    as_of: AsOf = None,
) -> Selection:
    span = Span(clamp(since) if since else EARLIEST, clamp(to) if to else LATEST)
    return Selection(q, span, as_of and clamp(as_of))


Selecting = Annotated[Selection, Depends(_selection)]


class AnalyticsResponder:
    """Answers questions about a caller's mail, from what was kept where that is the answer still."""

    def __init__(self, mailboxes: Readers, answers: ResponseCache, threads: BlockingExecutor) -> None:
        self._mailboxes, self._answers, self._threads = mailboxes, answers, threads

    async def answer(
        self,
        principal: Principal,
        question: Hashable,
        about: Selection,
        make: Callable[[MailboxStats], BaseModel | str],
        media_type: str = "application/json",
    ) -> Response:
        """The answer to a question, as JSON or as text of its own. `make`: is called in a thread, if need be."""

        def ask() -> bytes:
            reader = self._mailboxes.reader(principal)

            def made() -> bytes:
                counting = reader.counting(about.text, about.span, about.as_of)
                found = make(counting)
                return (found if isinstance(found, str) else found.model_dump_json(by_alias=True)).encode()

            if about.as_of is None and DEPENDS_ON_TIME.search(about.text):
                return made()
            return self._answers.of(principal.user_id, reader, (question, about), made)

        return Response(await self._threads.run(ask), media_type=media_type)
