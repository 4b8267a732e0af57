"""/api/v1/emails: lists, searches and single messages of the caller's own mail."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, HTTPException, Path, Query, Response

from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.datetimes import Moment
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.http.response_cache import ResponseCache
from serve.mail.models import EmailDocument, EmailList
from storage.control.principal import Principal
from storage.model.message_id import from_hex
from storage.model.results import Email, Page, PageCursor, RankCursor, RankedPage
from storage.model.time_range import clamp
from storage.query.highlighting import Highlight

PATH = "/api/v1/emails"
#: Of the application, which has threads and labels, too; a proxy takes the longest prefix that fits.
PREFIX = "/api/v1"

#: Searches whose answer changes by itself.
DEPENDS_ON_TIME = re.compile(r"newer_than|older_than", re.IGNORECASE)
# Postgres takes no NUL in a text.
SearchText = Annotated[str, Query(max_length=2000, pattern=r"^[^\x00]*$")]
AsOf = Annotated[
    Moment | None,
    Query(description="read the mailbox as it was at this time (RFC 3339), as far as it was backed up by then"),
]
MessageId = Annotated[str, Path(max_length=200, description="Gmail's message id, hex")]
_Label = Annotated[str, Query(max_length=225, pattern=r"^[^\x00-\x1f]+$")]


class Reader(Protocol):
    """One user's mail. `storage.reader.MailboxReader` is one."""

    def emails(
        self,
        text: str = "",
        labels: Sequence[str] = (),
        limit: int = 50,
        after: PageCursor | None = None,
        include_spam_trash: bool = False,
        include_deleted: bool = False,
        as_of: datetime | None = None,
    ) -> Page: ...

    def best(
        self,
        text: str,
        labels: Sequence[str] = (),
        limit: int = 50,
        after: RankCursor | None = None,
        include_spam_trash: bool = False,
        include_deleted: bool = False,
        as_of: datetime | None = None,
    ) -> RankedPage: ...

    def highlights(self, text: str, ids: Sequence[str]) -> dict[str, list[Highlight]]: ...

    def email(self, message_id: int, as_of: datetime | None = None) -> Email | None: ...

    def raw(self, message_id: int, as_of: datetime | None = None) -> bytes | None: ...

    def version(self) -> str | None: ...


class Readers(Protocol):
    """Makes a reader of a principal's own mail. `serve.mail.readers.Mailboxes` is one."""

    def reader(self, principal: Principal) -> Reader: ...


def router(mailboxes: Readers, answers: ResponseCache, threads: BlockingExecutor) -> APIRouter:
    """The routes of lists, searches and single messages."""
    routes = APIRouter(prefix=PATH, tags=["emails"], responses=responses(400, 401, 404, 422, 503))

    @routes.get("", summary="List or search your mail, newest or best first", response_model=EmailList)
    @permits(scope=Scope.MAIL, cost=5)
    async def emails(
        principal: Caller,
        q: Annotated[SearchText, Query(description="a search in Gmail's language")] = "",
        label: Annotated[list[_Label], Query(max_length=20, description="label ids that all must be there")] = [],  # noqa: B006 - FastAPI copies it
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the last answer")] = None,
        include_spam_trash: bool = False,
        include_deleted: bool = False,
        as_of: AsOf = None,
        sort: Annotated[Literal["date", "relevance"], Query(description="newest first, or best first")] = "date",
        highlights: Annotated[bool, Query(description="show where the words of `q` stand")] = False,
    ) -> Response:
        by_relevance = sort == "relevance"
        rank = RankCursor.decode(cursor) if cursor and by_relevance else None
        after = PageCursor.decode(cursor) if cursor and not by_relevance else None
        moment = as_of and clamp(as_of)

        def make(reader: Reader) -> EmailList:
            page: Page | RankedPage
            if by_relevance:
                page = reader.best(q, label, limit, rank, include_spam_trash, include_deleted, moment)
            else:
                page = reader.emails(q, label, limit, after, include_spam_trash, include_deleted, moment)
            return EmailList.of(page, reader.highlights(q, [email.id for email in page.items]) if highlights else None)

        def read() -> bytes:
            reader = mailboxes.reader(principal)
            if DEPENDS_ON_TIME.search(q):
                return _json(make(reader))
            question = (q, *label, limit, cursor, include_spam_trash, include_deleted, moment, sort, highlights)
            return answers.of(principal.user_id, reader, question, lambda: _json(make(reader)))

        return Response(await threads.run(read), media_type="application/json")

    @routes.get("/{email_id}", summary="One message")
    @permits(scope=Scope.MAIL, cost=2)
    async def email(principal: Caller, email_id: MessageId, as_of: AsOf = None) -> EmailDocument:
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)
        found = await threads.run(lambda: mailboxes.reader(principal).email(message_id, moment))
        if found is None:
            raise HTTPException(404)
        return EmailDocument.whole(found)

    return routes


def _json(page: EmailList) -> bytes:
    return page.model_dump_json(by_alias=True).encode()


def message_id_of(text: str) -> int:
    """A malformed id names nothing, like an unknown one."""
    try:
        return from_hex(text)
    except ValueError as exc:
        raise HTTPException(404) from exc
