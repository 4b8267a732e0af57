"""serve/ops/readiness.py"""

import asyncio
from collections.abc import Mapping

from serve.ops.readiness import CONTROL, Probe, Probes
from tests.unit.serve.fakes import Clock


async def _fine() -> None:
    return None


async def _broken() -> None:
    raise OSError("no route to 10.0.0.7")


async def _silent() -> None:
    await asyncio.Event().wait()


def _probes(probes: Mapping[str, Probe], clock: Clock | None = None) -> Probes:
    async def find() -> Mapping[str, Probe]:
        return probes

    return Probes(find, 0.05, clock or Clock())


async def test_each_dependency_is_told_by_itself() -> None:
    answers = await _probes({"a": _fine, "b": _broken, "c": _silent}).run()

    assert answers == {"a": True, "b": False, "c": False}


async def test_without_the_control_database_nobody_knows_the_rest() -> None:
    for failing in (_broken, _silent):

        async def find(failing: Probe = failing) -> Mapping[str, Probe]:
            await failing()
            return {}

        assert await Probes(find, 0.05).run() == {CONTROL: False}


async def test_many_who_ask_at_once_are_one_question() -> None:
    asked = 0

    async def count() -> None:
        nonlocal asked
        asked += 1

    clock = Clock()
    probes = _probes({"a": count}, clock)
    await asyncio.gather(*(probes.run() for _ in range(20)))
    assert asked == 1

    clock.now += 2
    await probes.run()
    assert asked == 2
