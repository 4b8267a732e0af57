"""cluster/gateway_watch.py"""

import asyncio
import logging

import pytest

from cluster.gateway_watch import watch_gateway


async def test_a_gateway_that_does_not_answer_is_logged_once_and_so_is_its_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = iter(["no answer for 2 s", None, "no answer for 2 s", "no answer for 2 s", "refused", None, None])
    ended = asyncio.Event()

    def ask(_: str) -> str | None:
        try:
            return next(answers)
        except StopIteration:
            loop.call_soon_threadsafe(ended.set)
            return None

    loop = asyncio.get_running_loop()
    with caplog.at_level(logging.INFO):
        task = asyncio.create_task(watch_gateway("http://127.0.0.1:1", 0.001, ask))
        await asyncio.wait_for(ended.wait(), 10)
        task.cancel()

    assert [record.getMessage() for record in caplog.records] == [
        "The gateway does not answer (no answer for 2 s): a replica that hangs is replaced",
        "The gateway answers again",
    ]
