"""Simulators on a loop of their own, so that tests can use ordinary blocking clients."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from cluster.simulator.config import SimulatorConfig
from cluster.simulator.server import RunningSimulator, start
from tests.integration.cluster.simulator.client import Client

Serve = Callable[..., Client]


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def serve(loop: asyncio.AbstractEventLoop) -> Iterator[Serve]:
    """Starts a simulator with the given configuration and returns a client signed in as its first user."""
    running: list[RunningSimulator] = []
    clients: list[Client] = []

    def begin(**options: Any) -> Client:
        config = SimulatorConfig(**{"generate": 60} | options)
        simulator = asyncio.run_coroutine_threadsafe(start(config), loop).result()
        running.append(simulator)
        clients.append(Client(simulator.url))
        return clients[-1] if config.control_token else clients[-1].sign_in()

    yield begin
    for client in clients:
        client.http.clear()
    for simulator in running:
        asyncio.run_coroutine_threadsafe(simulator.close(), loop).result()
