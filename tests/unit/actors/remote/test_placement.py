"""actors/remote/placement.py, without a Ray."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass

from actors.remote.placement import Placement
from actors.work import PURPOSE


@dataclass
class Reference:
    """As Ray's."""

    name: str

    def task_id(self) -> "Reference":
        return self

    def hex(self) -> str:
        return self.name


class States:
    """What Ray says of tasks, and what it was asked."""

    def __init__(self) -> None:
        self.of: dict[str, str | None] = {}
        self.asked: list[str] = []
        self.now = 100.0

    def __call__(self, task_id: str) -> str | None:
        self.asked.append(task_id)
        state = self.of.get(task_id, "PENDING_NODE_ASSIGNMENT")
        if state == "unreachable":
            raise OSError(state)
        return state


def _placement() -> tuple[Placement, States]:
    states = States()
    return Placement(states, lambda: states.now), states


def _watch(stack: ExitStack, placement: Placement, name: str) -> Callable[[], Awaitable[bool]]:
    token = PURPOSE.set(f"purpose of {name}")
    begun = stack.enter_context(placement.watched(Reference(name)))
    PURPOSE.reset(token)
    return begun


async def test_a_task_without_a_worker_is_named_until_it_has_one() -> None:
    placement, states = _placement()
    with ExitStack() as stack:
        _watch(stack, placement, "a")
        states.now += 1.9
        assert await placement.unbegun() == []
        assert states.asked == [], "what is not late costs nothing"

        states.now += 0.1
        assert await placement.unbegun() == ["purpose of a"]
        states.now += 0.5
        assert await placement.unbegun() == ["purpose of a"]
        assert states.asked == ["a"]
        states.of["a"] = "RUNNING"
        states.now += 0.5
        assert await placement.unbegun() == []
        states.now += 60.0
        assert await placement.unbegun() == []
        assert states.asked == ["a", "a"], "what has begun is not asked about again"


async def test_what_ray_does_not_know_is_not_said_to_wait() -> None:
    placement, states = _placement()
    with ExitStack() as stack:
        for name, state in (("a", None), ("b", "unreachable")):
            states.of[name] = state
            begun = _watch(stack, placement, name)
            states.now += 2.0
            assert await placement.unbegun() == []
            assert await begun(), "its time limit counts"


async def test_tasks_behind_many_that_wait_are_not_asked_about() -> None:
    placement, states = _placement()
    with ExitStack() as stack:
        for number in range(20):
            _watch(stack, placement, str(number))
        states.now += 2.0

        assert len(await placement.unbegun()) == 20
        assert states.asked == [str(number) for number in range(8)]
        states.of["0"] = "RUNNING"
        states.now += 1.0
        assert len(await placement.unbegun()) == 19


async def test_what_ended_is_forgotten() -> None:
    placement, states = _placement()
    with ExitStack() as stack:
        _watch(stack, placement, "a")
        with ExitStack() as other:  # another result of the same task
            _watch(other, placement, "a")
        states.now += 2.0
        assert await placement.unbegun() == ["purpose of a"]
    states.asked.clear()
    states.now += 10.0

    assert await placement.unbegun() == []
    assert states.asked == []
