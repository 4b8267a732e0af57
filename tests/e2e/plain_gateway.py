"""The gateway's applications over a home, in this process and without Ray: what replicas serve, over real HTTP."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from cluster.settings import load
from cluster.stores import open_stores
from serve.assembly import Assembly
from serve.config import ServeConfig
from serve.settings import Settings
from serve.sync.ports import NoOwners
from tests.e2e.processes import wait_for


@contextmanager
def plain_gateway(home: Path) -> Iterator[str]:
    """Serve a home; gives the URL. Opening the home upgrades it, as every command does."""
    with open_stores(load(home=home)) as stores:
        assembly = Assembly(Settings(stores.config, ServeConfig()), NoOwners())
        try:
            with _listening(assembly.together()) as url:
                yield url
        finally:
            assembly.close()


@contextmanager
def _listening(app: Any) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        wait_for(lambda: server.started, "the gateway listens")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(30)
