"""Who takes what can be had of a gateway: a stranger's unfinished requests, and an owner's heavy queries.

Each runs in a process of its own at the lowest priority: elsewhere these would be other people's machines.
"""

import asyncio
import http.client
import json
import multiprocessing
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

#: A request whose body never comes.
_UNFINISHED = b"POST /api/v1/auth/token HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n{"
#: Seconds until somebody who was cut off or refused comes again.
_AGAIN_S = 5.0
#: Takes more seconds than a query may use, whatever the mailbox.
HEAVY = "SELECT count(*) FROM range(3000000) AS a(x), range(3000000) AS b(y) WHERE a.x * b.y % 7 = 3"
_START_S = 60.0


@contextmanager
def unfinished_requests(port: int, number: int, source: str) -> Iterator[Counter[str]]:
    """Keep so many requests begun, from one address, until the block ends. Gives counts, complete after the block.

    Args:
        source: address of this machine that the stranger has, such as 127.0.0.2.
    """
    with _attacking(_begin_requests, port, number, source) as counts:
        yield counts


@contextmanager
def heavy_queries(port: int, number: int, source: str, token: str) -> Iterator[Counter[str]]:
    """Keep so many heavy queries of one owner asked until the block ends. Gives counts by status, after the block."""
    with _attacking(_ask, port, number, source, token) as counts:
        yield counts


@contextmanager
def _attacking(work: object, *arguments: object) -> Iterator[Counter[str]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    stop, counts = context.Event(), Counter[str]()
    process = context.Process(target=_run, args=(work, theirs, stop, arguments), daemon=True)
    process.start()
    try:
        if not ours.poll(_START_S):
            raise TimeoutError("the crowd did not come")
        ours.recv()
        yield counts
    finally:
        stop.set()
        with suppress(EOFError, OSError):
            counts.update(ours.recv() if ours.poll(_START_S) else {})
        process.terminate()
        process.join()


def _run(work: object, connection: Connection, stop: Event, arguments: tuple[object, ...]) -> None:
    assert callable(work)
    os.nice(19)
    connection.send(dict(work(lambda: connection.send(None), stop, *arguments)))


def _begin_requests(begun: object, stop: Event, port: int, number: int, source: str) -> Counter[str]:
    """Open connections and finish nothing; again, when they are closed."""
    counts: Counter[str] = Counter()
    _allow_files(number)

    async def stranger(all_begun: asyncio.Event) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            except OSError:
                counts["refused"] += 1
            else:
                counts["begun"] += 1
                if counts.total() >= number:
                    all_begun.set()
                writer.write(_UNFINISHED)
                try:
                    answer = await reader.read(100)
                except OSError:
                    answer = b""
                counts["answered" if answer else "cut off"] += 1
                writer.close()
            await asyncio.sleep(_AGAIN_S)

    async def all_of_them() -> None:
        all_begun = asyncio.Event()
        strangers = [asyncio.create_task(stranger(all_begun)) for _ in range(number)]
        if number:
            await all_begun.wait()
        begun()  # type: ignore[operator]
        await asyncio.to_thread(stop.wait)
        for each in strangers:
            each.cancel()
        await asyncio.gather(*strangers, return_exceptions=True)

    asyncio.run(all_of_them())
    return counts


def _allow_files(number: int) -> None:
    """Raise this process's soft limit of open files to what so many connections take, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, number + 256)), hard))


def _ask(begun: object, stop: Event, port: int, number: int, source: str, token: str) -> Counter[str]:
    """Ask heavy questions, and again, whatever the answer."""
    counts: Counter[str] = Counter()
    body = json.dumps({"sql": HEAVY})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def owner() -> None:
        while not stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90, source_address=(source, 0))
            try:
                connection.request("POST", "/api/v1/analytics/query", body, headers)
                status = connection.getresponse().status
                counts[str(status)] += 1
            except OSError:
                counts["cut off"] += 1
            finally:
                connection.close()
            stop.wait(0.2)

    owners = [threading.Thread(target=owner, daemon=True) for _ in range(number)]
    for each in owners:
        each.start()
    begun()  # type: ignore[operator]
    stop.wait()
    deadline = time.monotonic() + 15  # of the queries that run
    for each in owners:
        each.join(max(deadline - time.monotonic(), 0.1))
    return counts
