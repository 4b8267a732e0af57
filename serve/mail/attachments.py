"""/api/v1/emails/{id}/raw, /html, /attachments, /parts: the content of one message, for display and download."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel

from jobs.mime.display import display
from jobs.mime.parser import attachment
from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http import byte_ranges
from serve.http.byte_ranges import File
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.mail.emails import PATH, AsOf, MessageId, message_id_of
from serve.mail.models import AttachmentItem
from serve.mail.ports import MailReader, Readers
from storage.control.principal import Principal
from storage.model.message_id import to_hex
from storage.model.results import Attachment
from storage.model.time_range import clamp

_PART = re.compile(r"[1-9][0-9]{0,4}(\.[0-9]{1,5}){0,60}")
_PAGE = (
    '<!doctype html>\n<html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    "<title>Message</title></head>\n<body>\n{body}\n</body></html>\n"
)
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
_RANGES: dict[int | str, dict[str, Any]] = {
    206: {"description": "a range of the bytes"},
    304: {"description": "not modified"},
}

Part = Annotated[str, Path(max_length=200, description="IMAP part number, such as 1.2")]


class AttachmentList(BaseModel):
    """The attachments of a message."""

    items: list[AttachmentItem]


def router(mailboxes: Readers[MailReader], threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["emails"], responses=responses(401, 404, 422, 503))

    async def exact(principal: Principal, email_id: str, as_of: datetime | None) -> bytes:
        """The exact bytes; HTTPException 404 when the caller has (or had) no such message."""
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)
        content = await threads.run(lambda: mailboxes.reader(principal).raw(message_id, moment))
        if content is None:
            raise HTTPException(404)
        return content

    async def files(principal: Principal, email_id: str, as_of: datetime | None) -> Sequence[Attachment]:
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)
        message = await threads.run(lambda: mailboxes.reader(principal).email(message_id, moment))
        if message is None:
            raise HTTPException(404)
        return message.attachments

    async def sent(request: Request, raw: bytes, part: str) -> Response:
        file = await threads.run(_part, raw, part)
        if file is None:
            raise HTTPException(404)
        return byte_ranges.response(request.headers, file)

    @routes.get(
        "/{email_id}/raw",
        summary="The exact bytes of one message",
        response_class=Response,
        responses={200: {"content": {"message/rfc822": {}}}, **_RANGES, **responses(416)},
    )
    @permits(scope=Scope.MAIL, cost=2, streaming=True)
    async def raw(principal: Caller, request: Request, email_id: MessageId, as_of: AsOf = None) -> Response:
        content = await exact(principal, email_id, as_of)
        name = f"{to_hex(message_id_of(email_id))}.eml"
        return byte_ranges.response(
            request.headers, await threads.run(byte_ranges.file, content, name, "message/rfc822")
        )

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
        body = await threads.run(display, await exact(principal, email_id, as_of), remote_images)
        pictures = "data: https:" if remote_images else "data:"
        policy = f"default-src 'none'; img-src {pictures}; style-src 'unsafe-inline'; sandbox allow-popups; "
        policy += "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        headers = {"Content-Security-Policy": policy, "Cache-Control": "private, no-store"}
        return Response(_PAGE.replace("{body}", body), headers=headers, media_type="text/html")

    @routes.get("/{email_id}/attachments", summary="The attachments of one message")
    @permits(scope=Scope.MAIL, cost=2)
    async def attachments(principal: Caller, email_id: MessageId, as_of: AsOf = None) -> AttachmentList:
        return AttachmentList(items=[AttachmentItem.of(part) for part in await files(principal, email_id, as_of)])

    @routes.get(
        "/{email_id}/attachments/{n}",
        summary="One attachment, decoded",
        response_class=Response,
        responses={**_BYTES, **_RANGES, **responses(416)},
    )
    @permits(scope=Scope.MAIL, cost=5, streaming=True)
    async def download(
        principal: Caller,
        request: Request,
        email_id: MessageId,
        n: Annotated[str, Path(max_length=20, description="position in the list of attachments, from 0")],
        as_of: AsOf = None,
    ) -> Response:
        attached = await files(principal, email_id, as_of)
        if not (n.isascii() and n.isdigit() and int(n) < len(attached)):
            raise HTTPException(404)
        return await sent(request, await exact(principal, email_id, as_of), attached[int(n)].part)

    @routes.get(
        "/{email_id}/parts/{part}",
        summary="One part of a message by IMAP part number, decoded",
        response_class=Response,
        responses={**_BYTES, **_RANGES, **responses(416)},
    )
    @permits(scope=Scope.MAIL, cost=5, streaming=True)
    async def one_part(
        principal: Caller, request: Request, email_id: MessageId, part: Part, as_of: AsOf = None
    ) -> Response:
        raw = await exact(principal, email_id, as_of)
        if not _PART.fullmatch(part):
            raise HTTPException(404)
        return await sent(request, raw, part)

    return routes


def _part(raw: bytes, part: str) -> File | None:
    decoded = attachment(raw, part)
    return None if decoded is None else byte_ranges.file(decoded.content, decoded.filename, decoded.content_type)
