"""A relay before a server, whose port can refuse connections for a while: the server keeps its state."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.e2e.processes import free_port


class Relay:
    """Listens on a port of its own and passes bytes on, in a thread."""

    def __init__(self, port: int) -> None:
        """`port`: of the server, on loopback."""
        self.port, self._target = free_port(), port
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._listen())

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Connections are reset, and new ones refused, until the block ends."""
        self._do(self._end())
        try:
            yield
        finally:
            self._do(self._listen())

    def close(self) -> None:
        """Pass nothing on any more."""
        self._do(self._end())
        self._do(self._drain())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _drain(self) -> None:
        """Wait until every connection has ended."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            with suppress(asyncio.CancelledError):  # by `_drain`
                await asyncio.gather(_pass(reader, back), _pass(there, writer))
        finally:
            self._open -= {writer, back}
            for each in (writer, back):
                each.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
