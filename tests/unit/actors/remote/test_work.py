"""actors/remote/work.py, without a Ray: what becomes of a task's answer."""

import asyncio
from typing import Any

import pytest
from ray.exceptions import ObjectLostError, OutOfMemoryError, RayError, WorkerCrashedError

from actors.remote.work import answer_of
from actors.work import WorkLost
from jobs.gmail.errors import GmailUnavailable
from jobs.tasks import Timed


async def test_a_task_that_hangs_is_cancelled_and_counts_as_lost() -> None:
    reference, cancelled = asyncio.get_running_loop().create_future(), list[Any]()

    with pytest.raises(WorkLost, match=r"no answer within 0 s") as lost:
        await answer_of(reference, 0.01, cancelled.append)

    assert cancelled == [reference]
    assert not lost.value.mail_lost, "what it was to write is still in memory"


async def test_the_time_of_a_task_that_waits_for_a_worker_begins_again() -> None:
    reference, cancelled = asyncio.get_running_loop().create_future(), list[Any]()
    states = iter([False, False])

    async def begun() -> bool:
        has_worker = next(states, None)
        if has_worker is None:
            reference.set_result(Timed(42, {}))
            return False
        return has_worker

    assert await answer_of(reference, 0.01, cancelled.append, begun) == 42
    assert cancelled == []


async def test_an_answer_in_time_is_the_tasks_and_an_expected_error_is_raised() -> None:
    loop = asyncio.get_running_loop()
    good, bad = loop.create_future(), loop.create_future()
    loop.call_later(0.005, good.set_result, Timed(42, {"fetch": 0.25}))
    bad.set_result(Timed(GmailUnavailable("timed out"), {}))

    assert await answer_of(good, 5.0) == 42
    with pytest.raises(GmailUnavailable, match="timed out"):
        await answer_of(bad, 5.0)


@pytest.mark.parametrize(
    ("error", "mail_lost"),
    [
        (WorkerCrashedError(), False),
        (OutOfMemoryError("out of memory"), False),
        (ObjectLostError("ab", None, ""), True),
    ],
)
async def test_mail_outlives_the_worker_that_parsed_it(error: RayError, mail_lost: bool) -> None:
    reference = asyncio.get_running_loop().create_future()
    reference.set_exception(error)

    with pytest.raises(WorkLost) as lost:
        await answer_of(reference, 5.0)

    assert lost.value.mail_lost is mail_lost
