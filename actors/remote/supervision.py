"""The adapter through which `actors.supervisor.ActorSupervisor` probes, kills and starts named actors."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping

import psutil
import ray
from ray.exceptions import RayError

from actors.remote.names import NAMESPACE, Process
from actors.supervisor import ActorGone


class NamedActors:
    """`actors.supervisor.Actors` of this Ray."""

    def __init__(self, starters: Mapping[str, Callable[[], object]]) -> None:
        """`starters`: creates each actor, by name, if it does not exist."""
        self._starters = starters
        self._processes: dict[str, Process] = {}

    async def alive(self, name: str) -> None:
        """Return once the actor's event loop answers.

        Raises:
            ActorGone.
        """
        try:
            handle = await asyncio.to_thread(ray.get_actor, name, NAMESPACE)
        except ValueError as exc:
            raise ActorGone(name, "there is no such actor", missing=True) from exc
        try:
            self._processes[name] = await handle.alive.remote()
        except RayError as exc:
            raise ActorGone(name, type(exc).__name__) from exc

    async def kill(self, name: str) -> None:
        """Kill the actor's process; Ray starts the next.

        Ray's own kill asks the process to end, which a stopped process does only after it wakes; on this machine the
        kernel kills it at once.
        """
        await asyncio.to_thread(self._kill, name)

    async def start(self, name: str) -> None:
        """Start an actor that does not exist."""
        try:
            await asyncio.to_thread(self._starters[name])
        except (RayError, ValueError) as exc:
            raise ActorGone(name, type(exc).__name__, missing=True) from exc

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None and process.node_id == ray.get_runtime_context().get_node_id() and _is_there(process):
            os.kill(process.pid, signal.SIGKILL)
            return
        try:
            ray.kill(ray.get_actor(name, NAMESPACE), no_restart=False)
        except (RayError, ValueError) as exc:
            raise ActorGone(name, type(exc).__name__) from exc


def _is_there(process: Process) -> bool:
    """Whether the process with this id is still the one that answered."""
    try:
        return psutil.Process(process.pid).create_time() == process.created_at
    except psutil.Error:
        return False
