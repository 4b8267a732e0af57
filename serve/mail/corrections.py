"""/api/v1/emails/{id}/judgement: the owner corrects what the analysers say of a message."""

from typing import Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from serve.auth.authorization import Caller
from serve.auth.policies import Scope, permits
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from serve.mail.emails import PATH, MessageId, message_id_of
from serve.mail.models import JudgementItem
from serve.mail.ports import JudgementWriter
from storage.model.judgement import Judgement


class JudgementRequest(BaseModel):
    """What the owner says of a message; it replaces what the owner said before. All null: nothing any more."""

    model_config = ConfigDict(extra="forbid")

    category: (
        Literal["receipt", "travel", "social", "promotion", "newsletter", "notification", "personal", "work"] | None
    ) = None
    priority: Literal["low", "normal", "high"] | None = None
    spam: bool | None = Field(default=None, description="true: it is spam; false: it is not")


def router(writer: JudgementWriter, threads: BlockingExecutor) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix=PATH, tags=["emails"], responses=responses(401, 403, 404, 422, 503))

    @routes.put("/{email_id}/judgement", summary="Correct the category, the priority or spam of one message")
    @permits(scope=Scope.SYNC, own=Scope.MAIL, cost=5)
    async def judge(principal: Caller, email_id: MessageId, said: JudgementRequest) -> JudgementItem:
        message_id = message_id_of(email_id)
        judgement = Judgement(said.category, said.priority, said.spam, by=principal.acting_email)
        kept = await threads.run(lambda: writer.judge(principal, message_id, judgement))
        if kept is None:
            raise HTTPException(404)
        return JudgementItem(category=kept.category, priority=kept.priority, spam=kept.spam, by=kept.by, at=kept.at)

    return routes
