"""/api/v1/threads and /api/v1/labels: mail as conversations, and what it is sorted by."""

from typing import Annotated, Protocol

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.mail.emails import PATH, AsOf, MessageId, message_id_of
from serve.mail.models import EmailItem
from storage.control.principal import Principal
from storage.mailbox.threads import Conversations
from storage.model.results import PageCursor
from storage.model.time_range import clamp

_Limit = Annotated[int, Query(ge=1, le=500)]
_Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the last answer")]


class Reader(Protocol):
    """One user's mail. `storage.reader.MailboxReader` is one."""

    @property
    def conversations(self) -> Conversations: ...


class Readers(Protocol):
    """Makes a reader of a principal's own mail. `serve.mail.readers.Mailboxes` is one."""

    def reader(self, principal: Principal) -> Reader: ...


class Thread(BaseModel):
    """Messages of a thread, oldest first; deleted ones have `deleted_at`."""

    items: list[EmailItem]
    next_cursor: str | None = Field(description="`cursor` of the next part; null at the end")


class LabelItem(BaseModel):
    """A label, and what carries it now."""

    id: str = Field(description="Gmail's id, as in an email's `labels`")
    name: str
    type: str = Field(description="system or user")
    messages: int
    unread: int


class LabelList(BaseModel):
    """All labels."""

    items: list[LabelItem]


def router(mailboxes: Readers, threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["emails"], responses=responses(400, 401, 404, 422, 503))

    async def page(principal: Principal, thread_id: int, limit: int, cursor: str | None, as_of: AsOf) -> Thread:
        after = PageCursor.decode(cursor) if cursor else None
        moment = as_of and clamp(as_of)

        def read() -> Thread:
            found = mailboxes.reader(principal).conversations.thread(thread_id, limit, after, moment)
            following = found.next.encode() if found.next else None
            return Thread(items=[EmailItem.of(email) for email in found.items], next_cursor=following)

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

    @routes.get(f"{PATH}/{{email_id}}/thread", summary="The thread that a message is in, oldest first")
    @permits(scope=Scope.MAIL, cost=5)
    async def thread_of(
        principal: Caller, email_id: MessageId, limit: _Limit = 50, cursor: _Cursor = None, as_of: AsOf = None
    ) -> Thread:
        message_id, moment = message_id_of(email_id), as_of and clamp(as_of)
        found = await threads.run(lambda: mailboxes.reader(principal).conversations.thread_of(message_id, moment))
        if found is None:
            raise HTTPException(404)
        return await page(principal, found, limit, cursor, as_of)

    @routes.get("/api/v1/labels", summary="Your labels, with how many messages carry each")
    @permits(scope=Scope.MAIL, cost=10)
    async def labels(principal: Caller) -> LabelList:
        found = await threads.run(lambda: mailboxes.reader(principal).conversations.labels())
        return LabelList(
            items=[
                LabelItem(id=each.id, name=each.name, type=each.type, messages=each.messages, unread=each.unread)
                for each in found
            ]
        )

    return routes
