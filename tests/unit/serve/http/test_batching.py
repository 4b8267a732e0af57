"""serve/http/batching.py"""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from serve.http.batching import Batcher
from serve.http.executor import BlockingExecutor
from storage.db.engines import DatabaseUnreachable


class Asked:
    """A query that waits until it may go on, and records its keys."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.failure: Exception | None = None

    def ask(self, keys: Sequence[int]) -> dict[int, str]:
        self.batches.append(list(keys))
        self.begun.set()
        assert self.go_on.wait(10)
        if self.failure is not None:
            raise self.failure
        return {key: f"value {key}" for key in keys if key > 0}


async def _begun(asked: Asked) -> None:
    assert await asyncio.to_thread(asked.begun.wait, 10)


async def test_what_arrives_while_a_query_runs_is_part_of_the_next_one() -> None:
    asked, batcher = (box := Asked()), Batcher(box.ask, BlockingExecutor(1))
    first = asyncio.create_task(batcher.of(1))
    await _begun(asked)
    later = [asyncio.create_task(batcher.of(key)) for key in (2, 1, 2, -3)]
    await asyncio.sleep(0)
    asked.go_on.set()

    assert await first == "value 1"
    assert await asyncio.gather(*later) == ["value 2", "value 1", "value 2", None]
    assert asked.batches == [[1], [2, 1, -3]], "the second lookup of 1 began after the first query"


async def test_a_failure_reaches_every_request_of_its_query_and_no_later_one() -> None:
    asked, batcher = (box := Asked()), Batcher(box.ask, BlockingExecutor(1))
    asked.failure = DatabaseUnreachable("here", "closed")
    asked.go_on.set()

    for outcome in await asyncio.gather(batcher.of(1), batcher.of(2), return_exceptions=True):
        assert isinstance(outcome, DatabaseUnreachable)
    asked.failure = None
    assert await batcher.of(1) == "value 1"


async def test_a_request_that_gives_up_disturbs_no_other() -> None:
    asked, batcher = (box := Asked()), Batcher(box.ask, BlockingExecutor(1))
    impatient = asyncio.create_task(batcher.of(1))
    await _begun(asked)
    patient = asyncio.create_task(batcher.of(2))
    await asyncio.sleep(0)
    impatient.cancel()
    asked.go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await patient == "value 2"


async def test_at_most_so_many_keys_are_asked_at_once() -> None:
    asked, batcher = (box := Asked()), Batcher(box.ask, BlockingExecutor(1), most=2)
    asked.go_on.set()

    assert await asyncio.gather(*(batcher.of(key) for key in (1, 2, 3))) == ["value 1", "value 2", "value 3"]
    assert max(map(len, asked.batches)) <= 2


async def test_no_request_waits_for_ever_when_the_executor_closes() -> None:
    asked, executor = Asked(), BlockingExecutor(1)
    batcher = Batcher(asked.ask, executor)
    waiting = asyncio.create_task(batcher.of(1))
    await _begun(asked)
    behind = asyncio.create_task(batcher.of(2))
    await asyncio.sleep(0)
    asked.go_on.set()
    executor.close()

    outcomes = await asyncio.gather(waiting, behind, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) or outcome == "value 1" for outcome in outcomes)
