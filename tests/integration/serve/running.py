"""The gateway's applications over real HTTP, behind one port as the proxy has them, in a process without Ray."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from actors.rate_limits import Rate, RatesConfig
from serve.assembly import Assembly
from serve.config import ServeConfig, StreamConfig, TokenConfig
from serve.settings import Settings
from storage.control.campaigns import Campaign, Campaigns, CampaignState
from storage.control.restore_records import Restore
from storage.control.restores import Restores
from tests.integration.serve.conftest import Archive, RecordingOwners

FREE = Rate(per_s=1e6, burst=1e7)
CONFIG = ServeConfig(
    rates=RatesConfig(principal=FREE, address=FREE, login=FREE, total=FREE),
    tokens=TokenConfig(revocations_s=0.05, audit_s=0.5),
    streams=StreamConfig(every_s=0.05),
)


class Jobs:
    """Jobs that end at once."""

    def start(self, campaigns: Campaigns, campaign: Campaign) -> Campaign:
        started = campaigns.run(campaign.campaign_id)
        campaigns.end(campaign.campaign_id, CampaignState.COMPLETE)
        return campaigns.get(started.campaign_id)

    def start_restore(self, restores: Restores, restore: Restore) -> Restore:
        return restores.run(restore.restore_id)


@contextmanager
def running(archive: Archive, config: ServeConfig = CONFIG) -> Iterator[str]:
    """The address of a gateway that runs in a thread."""
    assembly = Assembly(Settings(archive.backup, config), RecordingOwners(live={"active": False}), Jobs())
    try:
        with listening(assembly.together()) as url:
            yield url
    finally:
        assembly.close()


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """The address of an application that runs in a thread."""
    options = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(options)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
