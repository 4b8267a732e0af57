"""Watches the cluster's named actors. An actor that does not answer within a bounded time is killed and replaced.

Every actor has a task that watches it, so an actor that hangs does not delay the others' watch. A process that is
stopped, or whose event loop is blocked, holds its shard's lease and answers nothing; Ray considers it alive. Killing it
is safe at any moment: its successor takes the lease under the next epoch, and commits are fenced by the epoch.
Knows no Ray: `Actors` is a port, `actors.remote.supervision` is its adapter. cluster/supervision.py runs it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, Field, PositiveFloat

from storage.errors import BackupError

_LOG = logging.getLogger(__name__)


class SupervisorConfig(BaseModel, frozen=True):
    """How long to wait for an actor's answer."""

    every_s: PositiveFloat = Field(2.0, description="seconds between two probes of an actor that answers")
    slow_after_s: PositiveFloat = Field(2.0, description="seconds without an answer until an actor is reported silent")
    hung_after_s: PositiveFloat = Field(20.0, description="seconds without an answer until an actor is replaced")
    start_s: PositiveFloat = Field(60.0, description="seconds that a new process has until its first answer")


class ActorGone(BackupError):
    """The actor's process ended, or there is no such actor. Ray restarts it, or `Actors.start` makes it."""

    def __init__(self, name: str, reason: str, missing: bool = False) -> None:
        super().__init__(name, reason, missing)
        self.name, self.reason, self.missing = name, reason, missing

    def __str__(self) -> str:
        return f"The actor {self.name} has no process ({self.reason}): wait until it has restarted, then retry."


class Actors(Protocol):
    """The named actors of a cluster."""

    async def alive(self, name: str) -> None:
        """Return once the actor's event loop answers; may never return.

        Raises:
            ActorGone.
        """

    async def kill(self, name: str) -> None:
        """Kill the actor's process, also a stopped one; Ray starts the next."""

    async def start(self, name: str) -> None:
        """Start an actor that does not exist."""


@dataclass(frozen=True, slots=True)
class Silence:
    """An actor does not answer. since: seconds on the supervisor's clock; replaced: its process was killed."""

    since: float
    probes: int
    reason: str
    replaced: bool = False


class ActorSupervisor:
    """Keeps named actors alive."""

    def __init__(
        self,
        names: Sequence[str],
        actors: Actors,
        config: SupervisorConfig,
        on_change: Callable[[str, Silence | None], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`on_change`: called when an actor stops answering, is replaced, and answers again (None)."""
        self._names, self._actors, self._config = names, actors, config
        self._on_change, self._clock = on_change, clock
        self._silent: dict[str, Silence] = {}

    async def run(self) -> None:
        """For ever."""
        await asyncio.gather(*(self._watch(name) for name in self._names))

    async def _watch(self, name: str) -> None:
        patience_s = self._config.start_s
        while True:
            try:
                answered = await self._probe(name, max(patience_s, self._config.hung_after_s))
                patience_s = 0.0 if answered else self._config.start_s
            except ActorGone as exc:
                self._report(name, self._clock(), exc.reason)
                patience_s = self._config.start_s
                if exc.missing:
                    await self._try(name, "start", self._actors.start)
            await asyncio.sleep(self._config.every_s)

    async def _probe(self, name: str, limit_s: float) -> bool:
        """Whether the actor answered within this number of seconds; otherwise it is killed."""
        asked_at = self._clock()
        probe = asyncio.ensure_future(self._actors.alive(name))
        try:
            slow_s = min(self._config.slow_after_s, limit_s)
            await asyncio.wait({probe}, timeout=slow_s)
            if not probe.done():
                self._report(name, asked_at, f"no answer for {slow_s:.0f} s")
                await asyncio.wait({probe}, timeout=limit_s - slow_s)
            if not probe.done():
                _LOG.error("%s has not answered for %.0f s: it is killed and replaced", name, limit_s)
                await self._try(name, "kill", self._actors.kill)
                self._report(name, asked_at, f"no answer for {limit_s:.0f} s: it is replaced", replaced=True)
                return False
            probe.result()
        finally:
            probe.cancel()
        if self._silent.pop(name, None) is not None:
            _LOG.warning("%s answers again", name)
            self._on_change(name, None)
        return True

    def _report(self, name: str, since: float, reason: str, replaced: bool = False) -> None:
        before = self._silent.get(name)
        now = Silence(
            before.since if before else since,
            before.probes + 1 if before else 1,
            reason,
            replaced or (before is not None and before.replaced),
        )
        self._silent[name] = now
        if before is None:
            _LOG.warning("%s does not answer: %s", name, reason)
        self._on_change(name, now)

    async def _try(self, name: str, what: str, action: Callable[[str], Awaitable[None]]) -> None:
        try:
            await action(name)
        except BackupError as exc:
            _LOG.warning("Could not %s %s: %s", what, name, exc)
