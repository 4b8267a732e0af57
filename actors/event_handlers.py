"""Every consumer of events in the product, and its handlers by type of event: the one place where they are registered.

A handler is an async function of one event. It may be called again with an event that it has handled, so it must have
the same effect once and twice. Statistics and search have no consumer: each commit maintains them itself.
"""

from actors.config import BackupConfig
from actors.event_bus import Consumer, Worker
from actors.webhooks import WebhookQueue, WebhookWorker
from storage.control.webhooks import Webhooks
from storage.db.engines import Databases
from storage.events.registry import REGISTRY


def registered(databases: Databases, config: BackupConfig) -> tuple[tuple[Consumer, ...], tuple[Worker, ...]]:
    """The consumers of this release, and the workers that complete what handlers queue."""
    webhooks = Webhooks(databases.control, config.sealer())
    queue = WebhookQueue(webhooks)
    types = sorted({model.type for model in REGISTRY.all() if model.about_user})
    consumers = (Consumer("webhooks", dict.fromkeys(types, queue.handle)),)
    return consumers, (WebhookWorker(webhooks, config.webhooks),)
