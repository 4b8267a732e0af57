"""Which tasks of this process have no worker yet, because all logical CPUs are taken or workers are still starting.

A task that waits for a worker looks like one that hangs. Ray's state API knows the difference (10 to 20 ms per
question on an idle machine, 2026-11); it learns of a change within a second.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from actors.work import PURPOSE

_LOG = logging.getLogger(__name__)

#: Seconds after which a task is suspected to have no worker; between two questions; and that an answer may take.
_SUSPECT_S, _AGAIN_S, _ANSWER_S = 2.0, 1.0, 3
#: Tasks that are asked about at a time, the oldest first.
_MOST = 8
_WAITS = "PENDING_NODE_ASSIGNMENT"


@dataclass(slots=True)
class _Task:
    task_id: str
    purpose: object
    since: float
    has_worker: bool | None = None  # None: not known


class Placement:
    """Watches the tasks that are waited for. For use in one event loop."""

    def __init__(
        self, state: Callable[[str], str | None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`state`: Ray's state of a task, None if it knows none; blocking."""
        self._state, self._clock = state or _state_of, clock
        self._tasks: dict[int, _Task] = {}
        self._asked_at = -float("inf")

    @contextmanager
    def watched(self, reference: Any) -> Iterator[Callable[[], Awaitable[bool]]]:
        """The task behind a reference is waited for in this block.

        Yields:
            Whether the task has a worker, or may have one.
        """
        task = _Task(reference.task_id().hex(), PURPOSE.get(), self._clock())

        async def begun() -> bool:
            task.has_worker = None
            await self._ask([task])
            return task.has_worker is not False

        self._tasks[id(task)] = task
        try:
            yield begun
        finally:
            del self._tasks[id(task)]

    async def unbegun(self) -> list[object]:
        """The purposes of tasks that have had no worker for seconds."""
        now = self._clock()
        late = [task for task in self._tasks.values() if now - task.since >= _SUSPECT_S and not task.has_worker]
        if late and now - self._asked_at >= _AGAIN_S:
            self._asked_at = now
            late.sort(key=lambda task: task.since)
            await self._ask(late[:_MOST])
            if all(task.has_worker is False for task in late[:_MOST]):  # those behind them have none either
                for task in late[_MOST:]:
                    task.has_worker = False
        return [task.purpose for task in late if task.has_worker is False]

    async def _ask(self, tasks: list[_Task]) -> None:
        for task in tasks:
            try:
                state = await asyncio.to_thread(self._state, task.task_id)
            except Exception as exc:  # noqa: BLE001 - the state API is only asked for what is shown to people
                _LOG.debug("Ray does not say whether a task has begun: %s", exc)
                return
            task.has_worker = None if state is None else state != _WAITS


def _state_of(task_id: str) -> str | None:
    from ray.util.state import get_task  # 20 ms, and only where a task is late

    found = get_task(task_id, timeout=_ANSWER_S)
    task = found[-1] if isinstance(found, list) else found
    return None if task is None else str(task.state)
