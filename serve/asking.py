"""What every question of analytics can be narrowed by, and where its answer comes from: kept, or made anew."""

from collections.abc import Callable, Hashable, Sequence
from typing import Annotated, Any, Protocol

from fastapi import Depends, Query, Response
from pydantic import BaseModel

from serve.answers import Answers
from serve.emails import DEPENDS_ON_TIME, AsOf, Text
from serve.threads import Threads
from serve.times import Moment
from storage.contents import Contents
from storage.control import Principal
from storage.language.plan import EARLIEST, LATEST
from storage.moments import within_reach
from storage.selecting import Selection


class Reader(Protocol):
    """One user's mail. `storage.reader.MailboxReader` is one."""

    def numbers(self, selection: Selection) -> Contents: ...

    def contents(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]: ...

    def version(self) -> str | None: ...


class Readers(Protocol):
    """Makes a reader of a principal's own mail. `serve.mailboxes.Mailboxes` is one."""

    def reader(self, principal: Principal) -> Reader: ...


def _selection(
    q: Annotated[
        Text,
        Query(description="of what this search finds, in Gmail's language; empty: of all, Spam and Trash included"),
    ] = "",
    since: Annotated[Moment | None, Query(alias="from", description="received then or later (RFC 3339)")] = None,
    to: Annotated[Moment | None, Query(description="received before (RFC 3339)")] = None,
    as_of: AsOf = None,
) -> Selection:
    return Selection(
        q,
        within_reach(since) if since else EARLIEST,
        within_reach(to) if to else LATEST,
        within_reach(as_of) if as_of else None,
    )


Asked = Annotated[Selection, Depends(_selection)]
Limit = Annotated[int, Query(ge=1, le=1000, description="items at most")]
Zone = Annotated[
    str,
    Query(alias="tz", max_length=100, pattern=r"^[A-Za-z0-9_+/-]+$", description="a time zone's IANA name"),
]


class Desk:
    """Answers questions about the caller's own mail."""

    def __init__(self, mailboxes: Readers, answers: Answers, threads: Threads) -> None:
        self._mailboxes, self._answers, self._threads = mailboxes, answers, threads

    async def answer(
        self,
        principal: Principal,
        asked: Selection,
        question: Hashable,
        make: Callable[[Reader, Contents], BaseModel | str],
        media_type: str = "application/json",
    ) -> Response:
        """The answer to a question about a selection. `question` tells it from others about the same one."""

        def made(reader: Reader) -> bytes:
            found = make(reader, reader.numbers(asked))
            text = found if isinstance(found, str) else found.model_dump_json(by_alias=True)
            return text.encode()

        def ask() -> bytes:
            reader = self._mailboxes.reader(principal)
            if DEPENDS_ON_TIME.search(asked.text):
                return made(reader)
            return self._answers.of(principal.user_id, reader, (question, asked), lambda: made(reader))

        return Response(await self._threads.run(ask), media_type=media_type)
