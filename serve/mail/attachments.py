"""/api/v1/emails/{id}/attachments, /parts: the files and parts of one message, decoded."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel

from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.problems import responses
from serve.mail.content import RANGES, MessageContent
from serve.mail.emails import PATH, AsOf, MessageId
from serve.mail.models import AttachmentItem

_PART = re.compile(r"[1-9][0-9]{0,4}(\.[0-9]{1,5}){0,60}")
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}

Part = Annotated[str, Path(max_length=200, description="IMAP part number, such as 1.2")]


class AttachmentList(BaseModel):
    """The attachments of a message."""

    items: list[AttachmentItem]


def router(content: MessageContent) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PATH, tags=["emails"], responses=responses(401, 404, 422, 503))

    @routes.get("/{email_id}/attachments", summary="The attachments of one message")
    @permits(scope=Scope.MAIL, cost=2)
    async def attachments(principal: Caller, email_id: MessageId, as_of: AsOf = None) -> AttachmentList:
        attached = await content.attachments(principal, email_id, as_of)
        return AttachmentList(items=[AttachmentItem.of(file) for file in attached])

    @routes.get(
        "/{email_id}/attachments/{n}",
        summary="One attachment, decoded",
        response_class=Response,
        responses={**_BYTES, **RANGES, **responses(416)},
    )
    @permits(scope=Scope.MAIL, cost=5, streaming=True)
    async def download(
        principal: Caller,
        request: Request,
        email_id: MessageId,
        n: Annotated[str, Path(max_length=20, description="position in the list of attachments, from 0")],
        as_of: AsOf = None,
    ) -> Response:
        attached = await content.attachments(principal, email_id, as_of)
        if not (n.isascii() and n.isdigit() and int(n) < len(attached)):
            raise HTTPException(404)
        return await content.send(request, await content.parsable(principal, email_id, as_of), attached[int(n)].part)

    @routes.get(
        "/{email_id}/parts/{part}",
        summary="One part of a message by IMAP part number, decoded",
        response_class=Response,
        responses={**_BYTES, **RANGES, **responses(416)},
    )
    @permits(scope=Scope.MAIL, cost=5, streaming=True)
    async def one_part(
        principal: Caller, request: Request, email_id: MessageId, part: Part, as_of: AsOf = None
    ) -> Response:
        raw = await content.parsable(principal, email_id, as_of)
        if not _PART.fullmatch(part):
            raise HTTPException(404)
        return await content.send(request, raw, part)

    return routes
