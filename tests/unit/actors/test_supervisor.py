"""actors/supervisor.py: real event loop, short times."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from actors.supervisor import ActorGone, ActorSupervisor, Silence, SupervisorConfig
from storage.errors import BackupError

_CONFIG = SupervisorConfig(every_s=0.005, slow_after_s=0.02, hung_after_s=0.1, start_s=0.3)


class _Actors:
    """Actors that hang until they are killed, if they are told to."""

    def __init__(self, *hung: str) -> None:
        self.hung, self.missing, self.unkillable = set(hung), set[str](), set[str]()
        self.probes, self.kills, self.starts = Counter[str](), Counter[str](), Counter[str]()

    async def alive(self, name: str) -> None:
        self.probes[name] += 1
        if name in self.missing:
            raise ActorGone(name, "there is no such actor", missing=True)
        if name in self.hung:
            await asyncio.Event().wait()

    async def kill(self, name: str) -> None:
        self.kills[name] += 1
        if name in self.unkillable:
            raise BackupError("no route to its node")
        self.hung.discard(name)

    async def start(self, name: str) -> None:
        self.starts[name] += 1
        self.missing.discard(name)


class _Watch:
    """A supervisor at work over actors "a" and "b"."""

    def __init__(self, actors: _Actors) -> None:
        self.told: list[tuple[str, Silence | None]] = []
        self.supervisor = ActorSupervisor(["a", "b"], actors, _CONFIG, lambda *told: self.told.append(told))

    async def until(self, condition: Callable[[], object]) -> None:
        task = asyncio.ensure_future(self.supervisor.run())
        try:
            async with asyncio.timeout(5):
                while not condition():
                    assert not task.done(), task
                    await asyncio.sleep(0.002)
        finally:
            task.cancel()


async def test_an_actor_that_hangs_is_killed_once_and_its_successor_is_watched() -> None:
    actors = _Actors()
    watch = _Watch(actors)
    await watch.until(lambda: actors.probes["a"] > 2)
    assert not watch.told

    actors.hung.add("a")
    await watch.until(lambda: watch.told and watch.told[-1] == ("a", None))

    assert actors.kills == {"a": 1}
    silences = [silence for name, silence in watch.told if silence is not None]
    assert [silence.replaced for silence in silences] == [False, True]
    assert "no answer" in silences[0].reason and "replaced" in silences[1].reason


async def test_one_that_hangs_delays_the_watch_over_no_other() -> None:
    actors = _Actors("a")
    actors.unkillable.add("a")
    watch = _Watch(actors)

    await watch.until(lambda: actors.kills["a"] >= 2)

    assert actors.probes["b"] > 5 * actors.probes["a"]
    assert {name for name, _ in watch.told} == {"a"}


async def test_a_process_that_is_still_starting_has_longer() -> None:
    actors = _Actors("a")
    watch = _Watch(actors)
    begun = asyncio.get_running_loop().time()

    await watch.until(lambda: actors.kills["a"])

    assert asyncio.get_running_loop().time() - begun >= _CONFIG.start_s


async def test_an_actor_that_is_missing_is_started() -> None:
    actors = _Actors()
    actors.missing.add("b")
    watch = _Watch(actors)

    await watch.until(lambda: watch.told and watch.told[-1] == ("b", None))

    assert actors.starts == {"b": 1} and not actors.kills


@pytest.mark.parametrize("seconds", [0.0, 0.06])
async def test_an_actor_that_is_only_slow_is_left_alone(seconds: float) -> None:
    class Slow(_Actors):
        async def alive(self, name: str) -> None:
            self.probes[name] += 1
            await asyncio.sleep(seconds)

    actors = Slow()
    watch = _Watch(actors)

    await watch.until(lambda: actors.probes["a"] > 3)

    assert not actors.kills
    assert bool(watch.told) == (seconds > _CONFIG.slow_after_s)
