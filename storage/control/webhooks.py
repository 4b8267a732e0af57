"""Webhooks of users and their deliveries, in the control database. Blocking.

A secret is sealed and bound to its webhook. A delivery exists once for each event, however often the event is handled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.control.sealing import Sealer
from storage.db import audit
from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError


class UnknownWebhook(BackupError):
    """The user has no such webhook. List the webhooks."""

    def __init__(self, webhook_id: str) -> None:
        super().__init__(webhook_id)
        self.webhook_id = webhook_id

    def __str__(self) -> str:
        return "There is no such webhook: see /api/v1/webhooks."


class TooManyWebhooks(BackupError):
    """The user has as many webhooks as allowed. Delete one first."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"A user may have {self.most} webhooks: delete one first."


@dataclass(frozen=True, slots=True)
class Webhook:
    """types: None: all. disabled_reason: None: it is enabled."""

    webhook_id: str
    user_id: int
    url: str
    types: list[str] | None
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: str | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """An enabled webhook: whose events of which types it receives."""

    webhook_id: str
    user_id: int
    types: list[str] | None


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery whose time has come. attempts: made so far."""

    webhook_id: str
    event_id: str
    payload: str
    attempts: int
    created_at: datetime
    url: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """A line of the delivery log. state: pending, delivered or failed."""

    event_id: str
    type: str
    state: str
    attempts: int
    status: int | None
    error: str | None
    created_at: datetime
    attempted_at: datetime | None
    next_at: datetime | None


def webhook_context(webhook_id: str) -> str:
    """What a secret is bound to."""
    return f"secret of webhook {webhook_id}"


class Webhooks:
    """Stores webhooks and deliveries."""

    def __init__(self, engine: Source, sealer: Sealer) -> None:
        """`engine`: of the control database."""
        self._engine, self._sealer = engine, sealer

    def create(
        self, webhook_id: str, user_id: int, url: str, types: list[str] | None, secret: str, most: int, by: str
    ) -> None:
        """Register a webhook.

        Raises:
            TooManyWebhooks.
        """
        sealed = self._sealer.seal(secret.encode(), webhook_context(webhook_id))
        values = {"webhook_id": webhook_id, "user_id": user_id, "url": url, "types": types, "sealed": sealed}
        with transaction(self._engine) as connection:
            if not connection.execute(query("webhook_create"), {**values, "most": most}).rowcount:
                raise TooManyWebhooks(most)
            audit.append(connection, by, "webhook.create", webhook_id, {"user_id": user_id})

    def of_user(self, user_id: int) -> list[Webhook]:
        """The webhooks of a user, oldest first."""
        with transaction(self._engine) as connection:
            return [Webhook(*row) for row in connection.execute(query("webhooks"), {"user_id": user_id})]

    def one(self, webhook_id: str, user_id: int) -> Webhook:
        """One webhook of a user.

        Raises:
            UnknownWebhook.
        """
        for webhook in self.of_user(user_id):
            if webhook.webhook_id == webhook_id:
                return webhook
        raise UnknownWebhook(webhook_id)

    def delete(self, webhook_id: str, user_id: int, by: str) -> None:
        """Delete a webhook of a user, and its deliveries.

        Raises:
            UnknownWebhook.
        """
        self._change("webhook_delete", webhook_id, user_id, by, "webhook.delete")

    def enable(self, webhook_id: str, user_id: int, by: str) -> None:
        """Enable a webhook of a user again.

        Raises:
            UnknownWebhook.
        """
        self._change("webhook_enable", webhook_id, user_id, by, "webhook.enable")

    def disable(self, webhook_id: str, reason: str) -> None:
        """Disable a webhook; its pending deliveries fail."""
        with transaction(self._engine) as connection:
            values = {"webhook_id": webhook_id, "reason": reason}
            if connection.execute(query("webhook_disable"), values).rowcount:
                audit.append(connection, "event bus", "webhook.disable", webhook_id, {"reason": reason[:200]})

    def enabled(self) -> list[Subscription]:
        """Every enabled webhook."""
        with transaction(self._engine) as connection:
            return [Subscription(*row) for row in connection.execute(query("webhooks_enabled"))]

    def enqueue(self, deliveries: Sequence[tuple[str, str, str, str]]) -> None:
        """Queue deliveries: (webhook, event id, type, payload). Existing ones are unchanged."""
        names = ("webhook_id", "event_id", "type", "payload")
        rows = [dict(zip(names, delivery, strict=True)) for delivery in deliveries]
        if rows:
            with transaction(self._engine) as connection:
                connection.execute(query("webhook_enqueue"), rows)

    def due(self, limit: int) -> list[DueDelivery]:
        """Deliveries whose time has come."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("webhook_due"), {"limit": limit})
            return [DueDelivery(**{**row._mapping, "sealed": bytes(row.sealed)}) for row in rows]

    def secret(self, delivery: DueDelivery) -> str:
        """The secret that signs a delivery. Raises KeyUnknown, SealBroken."""
        return self._sealer.open(delivery.sealed, webhook_context(delivery.webhook_id)).decode()

    def attempted(
        self, delivery: DueDelivery, state: str, delay_s: float, status: int | None, error: str | None
    ) -> None:
        """Record an attempt. delay_s: seconds until the next one, if `state` is "pending"."""
        values = {"webhook_id": delivery.webhook_id, "event_id": delivery.event_id, "state": state}
        values |= {"delay_s": delay_s, "status": status, "error": error}  # type: ignore[dict-item]
        with transaction(self._engine) as connection:
            connection.execute(query("webhook_attempted"), values)

    def deliveries(self, webhook_id: str, user_id: int, limit: int) -> list[Delivery]:
        """The delivery log of a webhook of a user, newest first."""
        values = {"webhook_id": webhook_id, "user_id": user_id, "limit": limit}
        with transaction(self._engine) as connection:
            return [Delivery(*row) for row in connection.execute(query("webhook_deliveries"), values)]

    def forget(self, days: int, limit: int = 10_000) -> int:
        """Delete deliveries that ended so many days ago; returns their number."""
        with transaction(self._engine) as connection:
            return connection.execute(query("webhook_forget"), {"days": days, "limit": limit}).rowcount

    def _change(self, name: str, webhook_id: str, user_id: int, by: str, action: str) -> None:
        with transaction(self._engine) as connection:
            if not connection.execute(query(name), {"webhook_id": webhook_id, "user_id": user_id}).rowcount:
                raise UnknownWebhook(webhook_id)
            audit.append(connection, by, action, webhook_id)
