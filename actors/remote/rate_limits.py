"""The broker of callers' rate limits as a Ray actor."""

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
    """The broker of callers' rate limits in its own process. A new one starts with full buckets."""

    def __init__(self, config: RatesConfig) -> None:
        self._broker = RateBroker(config)

    async def alive(self) -> Process:
        return this_process()

    async def settle(self, asks: dict[str, Ask]) -> dict[str, Allowance]:
        return self._broker.settle(asks, time.monotonic())


_RatesActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)(_RatesHost)


def start_rates(config: RatesConfig) -> ActorHandle:
    """The one broker of rate limits, started if it does not exist. Raises RayError if its actor cannot be created."""
    named = _RatesActor.options(name="rates", namespace=NAMESPACE, get_if_exists=True, lifetime="detached")
    return named.remote(config)


def await_rates(handle: ActorHandle, seconds: float) -> bool:
    """Whether the broker answers within this number of seconds. Blocking."""
    try:
        ray.get(handle.settle.remote({}), timeout=seconds)
    except RayError:  # GetTimeoutError is a subclass
        return False
    return True


class RateClient:
    """Settles a gateway replica's rates with the one broker, which is started if it does not exist."""

    def __init__(self, config: RatesConfig) -> None:
        self._config = config
        self._handle: ActorHandle | None = None
        self._unanswered: asyncio.Future[Any] | None = None

    async def settle(self, asks: Mapping[str, Ask]) -> dict[str, Allowance]:
        """The broker's grants.

        Raises:
            BrokerSilent: the broker restarts, or is too busy.
        """
        # One request at a time: tokens granted to a request that timed out are lost, and a broker that takes
        # seconds to start would lose a caller's whole bucket in this way.
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
