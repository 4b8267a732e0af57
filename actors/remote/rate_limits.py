"""The broker of callers' rates as a Ray actor."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.budget import BrokerSilent
from actors.rate_limits import Allowance, Ask, RateBroker, RatesConfig
from actors.remote.names import BROKER_TIMEOUT_S, NAMESPACE, Process, this_process


class _RatesHost:
    """The broker of callers' rates in a process of its own. A new one begins with full buckets."""

    def __init__(self, config: RatesConfig) -> None:
        self._broker = RateBroker(config)

    async def alive(self) -> Process:
        return this_process()

    async def settle(self, asks: dict[str, Ask]) -> dict[str, Allowance]:
        return self._broker.settle(asks, time.monotonic())


_RatesActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)(_RatesHost)


def start_rates(config: RatesConfig) -> ActorHandle:
    """The one broker of rates, started if need be. Raises RayError when its actor cannot be made."""
    named = _RatesActor.options(name="rates", namespace=NAMESPACE, get_if_exists=True, lifetime="detached")
    return named.remote(config)


def await_rates(handle: ActorHandle, seconds: float) -> bool:
    """Whether the broker answers within so many seconds. Blocking."""
    try:
        ray.get(handle.settle.remote({}), timeout=seconds)
    except RayError:  # GetTimeoutError is one
        return False
    return True


class RateClient:
    """Settles a gateway replica's rates with their one broker, which is started if need be."""

    def __init__(self, config: RatesConfig) -> None:
        self._config = config
        self._handle: ActorHandle | None = None
        self._unanswered: asyncio.Future[Any] | None = None

    async def settle(self, asks: Mapping[str, Ask]) -> dict[str, Allowance]:
        """What the broker grants.

        Raises:
            BrokerSilent: it restarts, or is too busy.
        """
        # One question at a time: what is granted to one that nobody waits for any more is lost, and a broker that takes
        # seconds to start would give a caller's whole bucket away so.
        if self._unanswered is not None and not self._unanswered.done():
            raise BrokerSilent("it has not answered yet")
        try:
            if self._handle is None:
                self._handle = start_rates(self._config)
            self._unanswered = asyncio.wrap_future(self._handle.settle.remote(dict(asks)).future())
            self._unanswered.add_done_callback(lambda done: done.cancelled() or done.exception())
            grants: dict[str, Allowance] = await asyncio.wait_for(asyncio.shield(self._unanswered), BROKER_TIMEOUT_S)
        except (RayError, TimeoutError, ValueError) as exc:
            raise BrokerSilent(type(exc).__name__) from exc
        return grants
