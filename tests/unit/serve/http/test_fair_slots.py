"""serve/http/fair_slots.py, and the threads and requests that are bounded by it."""

import asyncio
import threading

import pytest

from serve.http.errors import Overloaded, RateLimited
from serve.http.executor import BlockingExecutor
from serve.http.fair_slots import FairSlots, acting_caller


async def _turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_take_turns_and_requests_of_one_caller_run_in_order() -> None:
    slots, order = FairSlots(1, per_caller=1, waiting_per_caller=10), []

    async def work(caller: str, number: int) -> None:
        async with slots.place(caller):
            order.append(f"{caller}{number}")
            await _turn()

    tasks = []
    for caller, number in [("a", 1), ("a", 2), ("a", 3), ("a", 4), ("b", 1), ("b", 2), ("c", 1)]:
        tasks.append(asyncio.create_task(work(caller, number)))
    await asyncio.gather(*tasks)

    assert order == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


async def test_a_caller_may_hold_a_share_of_the_slots() -> None:
    slots = FairSlots(4, per_caller=2, waiting_per_caller=1)
    await slots.acquire("a")
    await slots.acquire("a")
    waiting = asyncio.create_task(slots.acquire("a"))
    await _turn()
    assert not waiting.done()
    with pytest.raises(RateLimited):
        await slots.acquire("a")
    await slots.acquire("b")
    await slots.acquire("c")
    with pytest.raises(Overloaded):
        await FairSlots(0, per_caller=2).acquire("d")

    slots.release("b")
    await _turn()
    assert not waiting.done(), "the place is another's, still"
    slots.release("a")
    await waiting


async def test_a_request_that_waits_too_long_is_refused_with_429_or_503() -> None:
    slots = FairSlots(2, per_caller=1, waiting_per_caller=5, wait_s=0.02)
    await slots.acquire("a")
    await slots.acquire("b")
    with pytest.raises(RateLimited):
        await slots.acquire("a")
    with pytest.raises(Overloaded):
        await slots.acquire("c")
    slots.release("a")
    await slots.acquire("c")


async def test_a_place_of_who_gives_up_is_not_lost() -> None:
    slots = FairSlots(1, per_caller=1, waiting_per_caller=5)
    await slots.acquire("a")
    tasks = [asyncio.create_task(slots.acquire("b")) for _ in range(3)]
    await _turn()
    tasks[0].cancel()
    slots.release("a")
    tasks[1].cancel()  # in the moment in which it comes
    await asyncio.gather(*tasks[:2], return_exceptions=True)
    await asyncio.wait_for(tasks[2], 1)
    slots.release("b")
    assert slots._callers == {}


async def test_many_calls_of_one_caller_do_not_delay_other_callers() -> None:
    threads, release = BlockingExecutor(4), threading.Event()
    acting_caller.set("crowd")
    crowd = [asyncio.create_task(threads.run(release.wait, 30)) for _ in range(20)]
    await _turn()

    acting_caller.set("other")
    assert await asyncio.wait_for(threads.run(int, "1"), 5) == 1
    acting_caller.set(None)
    assert await asyncio.wait_for(threads.run(int, "2"), 5) == 2
    release.set()
    assert await asyncio.gather(*crowd) == [True] * 20


async def test_calls_that_are_given_up_give_their_places_back_once_they_end() -> None:
    threads, release = BlockingExecutor(1), threading.Event()
    acting_caller.set("a")
    given_up = asyncio.create_task(threads.run(release.wait, 30))
    await asyncio.sleep(0.05)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    waiting = asyncio.create_task(threads.run(int, "1"))
    await asyncio.sleep(0.05)
    assert not waiting.done(), "the thread is still at work"
    release.set()
    assert await asyncio.wait_for(waiting, 5) == 1


async def test_background_work_has_no_acting_caller() -> None:
    threads, found = BlockingExecutor(1), []

    async def work() -> None:
        found.append(acting_caller.get())

    acting_caller.set("a")
    await threads.begin(work())
    assert (found, acting_caller.get()) == ([None], "a")
