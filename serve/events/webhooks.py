"""/api/v1/webhooks: the caller's webhooks, which receive events by the Standard Webhooks specification."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from jobs.webhooks.config import WebhookConfig
from jobs.webhooks.sending import require_url
from jobs.webhooks.signing import new_secret
from serve.auth.authorization import Caller
from serve.auth.policies import Role, Scope, permits
from serve.http.executor import BlockingExecutor
from serve.http.problems import responses
from storage.control.webhooks import Webhook, Webhooks
from storage.events.registry import REGISTRY

_Id = Annotated[str, Path(max_length=40, pattern="^[a-z]+_[0-9a-f]+$", description="as the list has it")]


class WebhookRequest(BaseModel):
    """A new webhook."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000, description="https URL of a public server")
    types: list[Annotated[str, Field(max_length=100)]] | None = Field(
        None, max_length=100, description="types, or prefixes such as `email.*`; null: all of your events"
    )


class WebhookItem(BaseModel):
    """A webhook."""

    id: str
    url: str
    types: list[str] | None = Field(description="null: all of your events")
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: str | None


class NewWebhook(WebhookItem):
    """A new webhook with its secret."""

    secret: str = Field(description="verifies signatures; not shown again")


class WebhookList(BaseModel):
    """Webhooks, oldest first."""

    items: list[WebhookItem]


class DeliveryItem(BaseModel):
    """A delivery of an event."""

    event_id: str = Field(description="the header webhook-id")
    type: str
    state: str = Field(description="pending, delivered or failed")
    attempts: int
    status: int | None = Field(description="HTTP status of the last response")
    error: str | None
    created_at: datetime
    attempted_at: datetime | None
    next_at: datetime | None = Field(description="time of the next attempt")


class DeliveryList(BaseModel):
    """Deliveries, newest first."""

    items: list[DeliveryItem]


class TestSent(BaseModel):
    """A test that was queued."""

    event_id: str = Field(description="its delivery: see /deliveries")


def router(webhooks: Webhooks, config: WebhookConfig, threads: BlockingExecutor) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1/webhooks", tags=["events"], responses=responses(401, 403, 422, 503))
    permitted = permits(Role.OWNER, Role.OPERATOR, scope=Scope.EVENTS, cost=5)

    @routes.post("", status_code=201, summary="Register a webhook", responses=responses(400, 409))
    @permitted
    async def create(principal: Caller, body: WebhookRequest) -> NewWebhook:
        require_url(body.url, config.allow_private)
        types = None if body.types is None else REGISTRY.selected(",".join(body.types))
        webhook_id, secret = f"wh_{secrets.token_hex(12)}", new_secret()
        user_id, by = principal.user_id, principal.acting_email
        await threads.run(webhooks.create, webhook_id, user_id, body.url, types, secret, config.per_user, by)
        created = await threads.run(webhooks.one, webhook_id, user_id)
        return NewWebhook(**_fields(created), secret=secret)

    @routes.get("", summary="Your webhooks")
    @permitted
    async def listing(principal: Caller) -> WebhookList:
        found = await threads.run(webhooks.of_user, principal.user_id)
        return WebhookList(items=[WebhookItem(**_fields(one)) for one in found])

    @routes.delete("/{webhook_id}", status_code=204, summary="Delete a webhook", responses=responses(404))
    @permitted
    async def delete(principal: Caller, webhook_id: _Id) -> None:
        await threads.run(webhooks.delete, webhook_id, principal.user_id, principal.acting_email)

    @routes.post("/{webhook_id}/enable", summary="Enable a webhook again", responses=responses(404))
    @permitted
    async def enable(principal: Caller, webhook_id: _Id) -> WebhookItem:
        await threads.run(webhooks.enable, webhook_id, principal.user_id, principal.acting_email)
        return WebhookItem(**_fields(await threads.run(webhooks.one, webhook_id, principal.user_id)))

    @routes.post("/{webhook_id}/test", status_code=202, summary="Send a test to a webhook", responses=responses(404))
    @permitted
    async def test(principal: Caller, webhook_id: _Id) -> TestSent:
        await threads.run(webhooks.one, webhook_id, principal.user_id)
        event_id = f"test-{secrets.token_hex(8)}"
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        body = {"type": "webhook.test", "timestamp": now, "id": event_id, "data": {"webhook": webhook_id}}
        delivery = (webhook_id, event_id, "webhook.test", orjson.dumps(body).decode())
        await threads.run(webhooks.enqueue, [delivery])
        return TestSent(event_id=event_id)

    @routes.get("/{webhook_id}/deliveries", summary="The deliveries of a webhook", responses=responses(404))
    @permitted
    async def deliveries(
        principal: Caller, webhook_id: _Id, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> DeliveryList:
        await threads.run(webhooks.one, webhook_id, principal.user_id)
        found = await threads.run(webhooks.deliveries, webhook_id, principal.user_id, limit)
        names = DeliveryItem.model_fields
        return DeliveryList(items=[DeliveryItem(**{name: getattr(one, name) for name in names}) for one in found])

    return routes


def _fields(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.webhook_id,
        "url": webhook.url,
        "types": webhook.types,
        "created_at": webhook.created_at,
        "disabled_at": webhook.disabled_at,
        "disabled_reason": webhook.disabled_reason,
    }
