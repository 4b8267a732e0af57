"""serve/http/executor.py"""

import asyncio
import threading

import pytest

from serve.http.executor import BlockingExecutor


async def test_only_so_many_calls_run_at_a_time() -> None:
    threads, running, most = BlockingExecutor(2), 0, 0
    lock, release = threading.Lock(), threading.Event()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if most == 2:
                release.set()
        release.wait(5)
        with lock:
            running -= 1

    await asyncio.gather(*(threads.run(call) for _ in range(6)))

    assert most == 2


async def test_arguments_and_errors_pass_through() -> None:
    threads = BlockingExecutor(1)

    assert await threads.run(int, "12", base=8) == 10
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.run(int, "x")


async def test_a_call_that_is_given_up_leaves_its_thread_behind() -> None:
    threads, release = BlockingExecutor(1), threading.Event()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(threads.run(release.wait, 30), 0.01)

    assert not release.is_set()
    release.set()
