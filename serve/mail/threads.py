"""/api/v1/threads and /api/v1/labels: conversations, and labels with their counts."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.mail.emails import PATH, AsOf, MessageId, message_id_of
from serve.mail.models import EmailItem
from serve.mail.ports import Readers, ThreadReader
from storage.control.principal import Principal
from storage.model.results import PageCursor
from storage.model.time_range import clamp

_Limit = Annotated[int, Query(ge=1, le=500)]
_Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the previous page")]


class Thread(BaseModel):
    """Messages of a thread, oldest first; deleted ones have `deleted_at`."""

    items: list[EmailItem]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last page")


class LabelItem(BaseModel):
    """A label with the number of its messages."""

    id: str = Field(description="Gmail's id, as in an email's `labels`")
    name: str
    type: str = Field(description="system or user")
    messages: int
    unread: int
    visibility: str = Field("", description="Gmail's messageListVisibility/labelListVisibility; empty: not told")
    color: str = Field("", description="text/background, as #rrggbb; empty: none")


class LabelList(BaseModel):
    """All labels."""

    items: list[LabelItem]


def router(mailboxes: Readers[ThreadReader], threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["emails"], responses=responses(400, 401, 404, 422, 503))

    async def page(principal: Principal, thread_id: int, limit: int, cursor: str | None, as_of: AsOf) -> Thread:
        after = PageCursor.decode(cursor) if cursor else None
        moment = as_of and clamp(as_of)

        def read() -> Thread:
            shown = mailboxes.reader(principal).conversations.thread(thread_id, limit, after, moment)
            following = shown.next.encode() if shown.next else None
            return Thread(items=[EmailItem.of(email) for email in shown.items], next_cursor=following)

        thread = await threads.run(read)
        if not thread.items and after is None:
            raise HTTPException(404)
        return thread

    @routes.get("/api/v1/threads/{thread_id}", summary="The messages of a thread, oldest first")
    @permits(scope=Scope.MAIL, cost=5)
    async def thread(
        principal: Caller,
        thread_id: Annotated[str, Path(max_length=200, description="Gmail's thread id, hex")],
        limit: _Limit = 50,
        cursor: _Cursor = None,
        as_of: AsOf = None,
    ) -> Thread:
        return await page(principal, message_id_of(thread_id), limit, cursor, as_of)

    @routes.get(f"{PATH}/{{email_id}}/thread", summary="The thread of a message, oldest message first")
    @permits(scope=Scope.MAIL, cost=5)
    async def thread_of(
        principal: Caller, email_id: MessageId, limit: _Limit = 50, cursor: _Cursor = None, as_of: AsOf = None
    ) -> Thread:
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)
        thread_id = await threads.run(lambda: mailboxes.reader(principal).conversations.thread_of(message_id, moment))
        if thread_id is None:
            raise HTTPException(404)
        return await page(principal, thread_id, limit, cursor, as_of)

    @routes.get("/api/v1/labels", summary="Your labels, with the number of messages that carry each")
    @permits(scope=Scope.MAIL, cost=10)
    async def labels(principal: Caller) -> LabelList:
        counts = await threads.run(lambda: mailboxes.reader(principal).conversations.labels())
        return LabelList(
            items=[
                LabelItem(
                    id=label.id,
                    name=label.name,
                    type=label.type,
                    messages=label.messages,
                    unread=label.unread,
                    visibility=label.visibility,
                    color=label.color,
                )
                for label in counts
            ]
        )

    return routes
