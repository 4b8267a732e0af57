"""/api/v1/emails/{id}/raw, /html: one message as its exact bytes, and as a page that is safe to show."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, HTTPException, Query, Request, Response

from jobs.mime.message import AttachmentContent
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http import byte_ranges
from serve.http.byte_ranges import File
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.mail.answers import MessageAnswers
from serve.mail.emails import PATH, AsOf, MessageId, message_id_of
from serve.mail.ports import MailReader, Readers
from storage.control.principal import Principal
from storage.model.message_id import to_hex
from storage.model.results import Attachment
from storage.model.time_range import clamp

_PAGE = (
    '<!doctype html>\n<html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    "<title>Message</title></head>\n<body>\n{body}\n</body></html>\n"
)
#: Answers of routes that send ranges of bytes.
RANGES: dict[int | str, dict[str, Any]] = {
    206: {"description": "a range of the bytes"},
    304: {"description": "not modified"},
}


class Reading(Protocol):
    """Reads messages, and raises ReadingStopped at a limit. Implemented by `jobs.isolation.reading`."""

    def page(self, raw: bytes, remote_images: bool = False) -> str: ...

    def part(self, raw: bytes, part: str) -> AttachmentContent | None: ...


class MessageContent:
    """The content of the caller's messages. Every method raises HTTPException 404 for what the caller does not have."""

    def __init__(
        self, mailboxes: Readers[MailReader], threads: BlockingExecutor, messages: MessageAnswers, reading: Reading
    ) -> None:
        self._mailboxes, self._threads, self._messages, self._reading = mailboxes, threads, messages, reading

    async def raw(self, principal: Principal, email_id: str, as_of: datetime | None) -> File:
        """The exact bytes of a message, as a download."""
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)
        found = await self._messages.raw(principal, message_id, moment)
        if found is None:
            raise HTTPException(404)
        content, sha256 = found
        return File(content, f"{to_hex(message_id)}.eml", "message/rfc822", f'"{sha256}"')

    async def parsable(self, principal: Principal, email_id: str, as_of: datetime | None) -> bytes:
        """The exact bytes of a message, for parsing them here.

        Raises:
            MessageUnparsable.
        """
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)
        content = await self._threads.run(lambda: self._mailboxes.reader(principal).parsable(message_id, moment))
        if content is None:
            raise HTTPException(404)
        return content

    async def attachments(self, principal: Principal, email_id: str, as_of: datetime | None) -> Sequence[Attachment]:
        """The attachments of a message."""
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)
        message = await self._threads.run(lambda: self._mailboxes.reader(principal).email(message_id, moment))
        if message is None:
            raise HTTPException(404)
        return message.attachments

    async def page(self, raw: bytes, remote_images: bool) -> str:
        """A message as sanitised HTML."""
        return _PAGE.replace("{body}", await self._threads.run(self._reading.page, raw, remote_images))

    async def send(self, request: Request, raw: bytes, part: str) -> Response:
        """A part of a message, decoded, or the range of it that the request names."""
        file = await self._threads.run(self._part, raw, part)
        if file is None:
            raise HTTPException(404)
        return byte_ranges.response(request.headers, file)

    def _part(self, raw: bytes, part: str) -> File | None:
        decoded = self._reading.part(raw, part)
        return None if decoded is None else byte_ranges.file(decoded.content, decoded.filename, decoded.content_type)


def router(content: MessageContent) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["emails"], responses=responses(401, 404, 422, 503))

    @routes.get(
        "/{email_id}/raw",
        summary="The exact bytes of one message",
        response_class=Response,
        responses={200: {"content": {"message/rfc822": {}}}, **RANGES, **responses(416)},
    )
    @permits(scope=Scope.MAIL, cost=2, streaming=True)
    async def raw(principal: Caller, request: Request, email_id: MessageId, as_of: AsOf = None) -> Response:
        return byte_ranges.response(request.headers, await content.raw(principal, email_id, as_of))

    @routes.get(
        "/{email_id}/html",
        summary="One message as safe HTML",
        response_class=Response,
        responses={200: {"content": {"text/html": {}}}},
    )
    @permits(scope=Scope.MAIL, cost=5)
    async def page(
        principal: Caller,
        email_id: MessageId,
        remote_images: Annotated[
            bool, Query(description="load images over https, which shows the sender that the message was read")
        ] = False,
        as_of: AsOf = None,
    ) -> Response:
        text = await content.page(await content.parsable(principal, email_id, as_of), remote_images)
        pictures = "data: https:" if remote_images else "data:"
        policy = f"default-src 'none'; img-src {pictures}; style-src 'unsafe-inline'; "
        # A page that a link opens is a page of its own: it has no opener, and no sandbox of ours.
        policy += "sandbox allow-popups allow-popups-to-escape-sandbox; "
        policy += "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
        headers = {
            "Content-Security-Policy": policy,
            "X-Frame-Options": "SAMEORIGIN",  # the web interface shows it in a frame
            "Cache-Control": "private, no-store",
        }
        return Response(text, headers=headers, media_type="text/html")

    return routes
