"""/api/v1/emails: lists, searches and single messages of the caller's own mail."""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Response

from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.datetimes import Moment
from serve.http.problems import responses
from serve.mail.answers import Document, MailAnswers, MessageAnswers
from serve.mail.models import EmailDocument, EmailList
from serve.mail.ports import MailReader
from serve.settings import PREFIXES
from storage.mailbox.lookups import Located
from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.model.results import Page, PageCursor, RankCursor, RankedPage
from storage.model.time_range import clamp

PATH = "/api/v1/emails"
#: Prefix of the application, which also has threads and labels; a proxy routes by the longest matching prefix.
PREFIX = PREFIXES["emails"]

#: Searches whose result changes with time.
DEPENDS_ON_TIME = re.compile(r"newer_than|older_than", re.IGNORECASE)
# Postgres cannot store NUL in a text.
SearchText = Annotated[str, Query(max_length=2000, pattern=r"^[^\x00]*$")]
AsOf = Annotated[
    Moment | None,
    Query(description="read the mailbox as of this time (RFC 3339), as far as it had been backed up"),
]
MessageId = Annotated[str, Path(max_length=200, description="Gmail's message id, hex")]
_Label = Annotated[str, Query(max_length=225, pattern=r"^[^\x00-\x1f]+$")]


def router(answers: MailAnswers[MailReader], messages: MessageAnswers) -> APIRouter:
    """The routes of lists, searches and single messages."""
    routes = APIRouter(prefix=PATH, tags=["emails"], responses=responses(400, 401, 404, 422, 503))

    @routes.get("", summary="List or search your mail, newest or best first", response_model=EmailList)
    @permits(scope=Scope.MAIL, cost=5)
    async def emails(
        principal: Caller,
        q: Annotated[SearchText, Query(description="a search in Gmail's language")] = "",
        label: Annotated[list[_Label], Query(max_length=20, description="label ids; messages must carry all")] = [],  # noqa: B006 - FastAPI copies it
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the previous page")] = None,
        include_spam_trash: bool = False,
        include_deleted: bool = False,
        as_of: AsOf = None,
        sort: Annotated[Literal["date", "relevance"], Query(description="newest or most relevant first")] = "date",
        highlights: Annotated[bool, Query(description="return fragments around the words of `q`")] = False,
    ) -> Response:
        by_relevance = sort == "relevance"
        moment = as_of and clamp(as_of)
        mail_query = MailQuery(q, tuple(label), include_spam_trash, include_deleted, moment)
        rank = RankCursor.decode(cursor) if cursor and by_relevance else None
        after = PageCursor.decode(cursor) if cursor and not by_relevance else None

        def make(reader: MailReader) -> EmailList:
            page: Page | RankedPage
            page = reader.best(mail_query, limit, rank) if by_relevance else reader.emails(mail_query, limit, after)
            return EmailList.of(page, reader.highlights(q, [email.id for email in page.items]) if highlights else None)

        question = None if DEPENDS_ON_TIME.search(q) else (mail_query, limit, cursor, sort, highlights)
        body = await answers.of(principal, question, lambda reader: _json(make(reader)))
        return Response(body, media_type="application/json")

    @routes.get("/{email_id}", summary="One message", response_model=EmailDocument)
    @permits(scope=Scope.MAIL, cost=2)
    async def email(principal: Caller, email_id: MessageId, as_of: AsOf = None) -> Response:
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)

        def make(reader: MailReader, located: Located | None) -> Document | None:
            message = reader.email(message_id, moment) if located is None else reader.email_at(located)
            return None if message is None else Document(_json(EmailDocument.whole(message)), message.is_whole)

        body = await messages.document(principal, message_id, moment, make)
        if body is None:
            raise HTTPException(404)
        return Response(body, media_type="application/json")

    return routes


def _json(document: EmailList | EmailDocument) -> bytes:
    return document.model_dump_json(by_alias=True).encode()


def message_id_of(text: str) -> int:
    """Parse a message id; a malformed id is a 404, like an unknown one."""
    try:
        return from_hex(text)
    except ValueError as exc:
        raise HTTPException(404) from exc
