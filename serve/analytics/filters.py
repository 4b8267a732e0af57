"""The parameters of all analytics routes (a search, a time range, an as-of time), and the responder that they share."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from serve.http.datetimes import Moment
from serve.http.problems import responses
from serve.mail.answers import MailAnswers
from serve.mail.emails import DEPENDS_ON_TIME, AsOf, SearchText
from serve.mail.ports import StatsReader
from serve.settings import PREFIXES
from storage.analytics.selection import Span
from storage.analytics.stats import MailboxStats
from storage.control.principal import Principal
from storage.model.time_range import EARLIEST, LATEST, clamp

PREFIX = PREFIXES["analytics"]
#: Limit of rows in an answer.
Limit = Annotated[int, Query(ge=1, le=1000)]


def router() -> APIRouter:
    """A router for a part of analytics."""
    return APIRouter(prefix=PREFIX, tags=["analytics"], responses=responses(400, 401, 422, 503))


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects the messages to count."""

    text: str
    span: Span
    as_of: datetime | None


def _selection(
    q: Annotated[
        SearchText,
        Query(
            description="count the matches of this search in Gmail's language, including deleted mail. Without a "
            "search all mail counts, including Spam and Trash; with a search these are excluded unless it names them"
        ),
    ] = "",
    since: Annotated[Moment | None, Query(alias="from", description="received from this time on (RFC 3339)")] = None,
    to: Annotated[Moment | None, Query(description="received before this time (RFC 3339)")] = None,
    as_of: AsOf = None,
) -> Selection:
    span = Span(clamp(since) if since else EARLIEST, clamp(to) if to else LATEST)
    return Selection(q, span, as_of and clamp(as_of))


Selecting = Annotated[Selection, Depends(_selection)]


class AnalyticsResponder:
    """Answers analytics requests, from the response cache where possible."""

    def __init__(self, answers: MailAnswers[StatsReader]) -> None:
        self._answers = answers

    async def answer(
        self,
        principal: Principal,
        question: Hashable,
        about: Selection,
        make: Callable[[MailboxStats], BaseModel | str],
        media_type: str = "application/json",
    ) -> Response:
        """The response, as JSON or text. `make`: called in a thread unless the cache has the response."""

        def body(reader: StatsReader) -> bytes:
            result = make(reader.counting(about.text, about.span, about.as_of))
            return (result if isinstance(result, str) else result.model_dump_json(by_alias=True)).encode()

        depends_on_time = about.as_of is None and DEPENDS_ON_TIME.search(about.text)
        asked = None if depends_on_time else (question, about)
        return Response(await self._answers.of(principal, asked, body), media_type=media_type)
