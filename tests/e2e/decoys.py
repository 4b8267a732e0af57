"""Processes that look like the Ray of other clusters to whoever looks for one among the processes of the machine.

Ray tells a job the address of any Ray that it finds so (`find_gcs_addresses`), and who connects there sends its token.
"""

import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from ray._private.services import find_gcs_addresses

from tests.e2e.processes import free_port

#: So many that a choice among them and the cluster's own is almost never the own one.
_DECOYS = 50


class Decoys:
    """Addresses at which somebody claims to be a cluster, and who connected to one of them."""

    def __init__(self) -> None:
        port = free_port()
        self.addresses = [f"127.9.0.{number}:{port}" for number in range(1, _DECOYS + 1)]
        self.connected: list[str] = []

    def are_found(self) -> bool:
        """Whether Ray takes all of them for clusters."""
        find_gcs_addresses.cache_clear()
        return set(self.addresses) <= set(find_gcs_addresses())

    def listen(self, listening: selectors.BaseSelector, ended: threading.Event) -> None:
        """Note every connection, until the end."""
        while not ended.is_set():
            for key, _ in listening.select(timeout=0.2):
                connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
                connection.close()
                self.connected.append(str(key.data))


@contextmanager
def decoys() -> Iterator[Decoys]:
    """They are there until the block ends."""
    made, ended = Decoys(), threading.Event()
    with ExitStack() as stack:
        listening = stack.enter_context(selectors.DefaultSelector())
        for address in made.addresses:
            host, _, port = address.partition(":")
            server = stack.enter_context(closing(socket.create_server((host, int(port)))))
            listening.register(server, selectors.EVENT_READ, address)
        thread = threading.Thread(target=made.listen, args=(listening, ended), daemon=True)
        thread.start()
        stack.callback(thread.join, 10)
        stack.callback(ended.set)
        command = ["raylet", "-c", "import sys; sys.stdin.read()", *(f"--gcs-address={one}" for one in made.addresses)]
        process = stack.enter_context(
            subprocess.Popen(command, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        )
        stack.callback(process.kill)
        yield made
