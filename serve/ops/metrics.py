"""/metrics: the state of the whole cluster for Prometheus, in totals by shard and phase, never by user.

Anybody who reaches the gateway may ask, so an answer is kept for some seconds: nobody wears the databases out by
asking. What the owners of shards know alone (leases, calls under way) is left out for a shard that does not answer.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from actors.forecast import Forecast
from serve.auth.policies import public
from storage.errors import BackupError
from storage.model.wait_reasons import WaitReason
from storage.replication.replica_health import Health

_LOG = logging.getLogger(__name__)

#: Seconds that an answer is kept.
_KEPT_S = 5.0


@dataclass(frozen=True, slots=True)
class State:
    """What Postgres knows of the cluster: rows of storage/fleet/shard_status.py, and the day's units."""

    shards: Sequence[Mapping[str, Any]]
    phases: Sequence[Mapping[str, Any]]
    quota: Forecast
    replicas: Sequence[Health] = ()
    waits: Sequence[WaitReason] = ()


class Measured(Protocol):
    """Whoever knows what a shard's owner is doing."""

    async def measures(self, shard_id: int) -> Mapping[str, float]:
        """Numbers by name (actors/owner.py `measures`)."""


#: Column of shard_overview -> metric and what it says.
_OF_SHARD: Mapping[str, tuple[str, str]] = {
    "owned": ("gbm_shard_owned", "1 while a process holds the shard's lease"),
    "messages": ("gbm_messages", "Messages stored"),
    "segments": ("gbm_segments", "Segments of the archive"),
    "size_bytes": ("gbm_mail_bytes", "Bytes of mail stored, before compression"),
    "stored_bytes": ("gbm_archive_bytes", "Bytes of the archive's files"),
    "defective": ("gbm_defective_messages", "Messages with MIME defects, stored whole"),
}
#: Column of mailbox_phases -> metric and what it says.
_OF_PHASE: Mapping[str, tuple[str, str]] = {
    "mailboxes": ("gbm_mailboxes", "Mailboxes"),
    "failed": ("gbm_failed_messages", "Messages filed for another try"),
    "lag_s": ("gbm_sync_lag_seconds", "Longest time since a mailbox was complete"),
}
#: What an owner measures -> metric and what it says. Those that only grow are counters.
_OF_OWNER: Mapping[str, tuple[str, str]] = {
    "waiting_mailboxes": ("gbm_waiting_mailboxes", "Mailboxes that have something to ask of Gmail"),
    "calls": ("gbm_gmail_calls_under_way", "Calls of Gmail under way, fetches among them"),
    "leased_units": ("gbm_quota_leased_units", "Project units in hand, from leases that have not run out"),
    "static_share": ("gbm_quota_static_share", "1 while the broker is silent and the shard spends its static share"),
    "granted_units_total": ("gbm_quota_granted_units", "Project units that the broker has leased to this owner"),
    "spent_units_total": ("gbm_quota_spent_units", "Units of the calls that this owner let out"),
    "pauses_total": ("gbm_quota_pauses", "Rests given to a mailbox or the project after a failed call"),
    "committed_messages_total": ("gbm_committed_messages", "Messages that this owner committed"),
}


class Metrics:
    """Renders the state, at most once in `_KEPT_S` seconds."""

    def __init__(
        self,
        state: Callable[[], Awaitable[State]],
        owners: Measured,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self._owners, self._timeout_s, self._clock = state, owners, timeout_s, clock
        self._text, self._rendered_at = b"", -float("inf")
        self._waiting: dict[str, int] = {}
        self._lock = asyncio.Lock()

    async def render(self) -> bytes:
        """The text of an answer.

        Raises:
            DatabaseUnreachable: the state is not known.
        """
        async with self._lock:
            if self._clock() - self._rendered_at >= _KEPT_S:
                state = await self._state()
                shards = [int(row["shard_id"]) for row in state.shards]
                answers = await asyncio.gather(*(self._measures(shard_id) for shard_id in shards))
                self._waiting = dict(Counter(each.kind.value for each in state.waits))
                registry = CollectorRegistry(auto_describe=False)
                registry.register(_Collected(state, dict(zip(shards, answers, strict=True))))
                self._text, self._rendered_at = generate_latest(registry), self._clock()
            return self._text

    async def waiting(self) -> dict[str, int]:
        """Mailboxes and shards that wait, by reason; as old as an answer of `render` at most."""
        try:
            await self.render()
        except BackupError:  # /ready says by itself that a database is away
            return {}
        return self._waiting

    async def _measures(self, shard_id: int) -> Mapping[str, float]:
        try:
            return await asyncio.wait_for(self._owners.measures(shard_id), self._timeout_s)
        except Exception as exc:  # noqa: BLE001 - an owner that cannot tell must not hide what the others tell
            _LOG.warning("The owner of shard %d tells no measures: %s", shard_id, exc)
            return {}


class _Collected(Collector):
    def __init__(self, state: State, owners: Mapping[int, Mapping[str, float]]) -> None:
        self._state, self._owners = state, owners

    def collect(self) -> Iterable[Metric]:
        """Every metric, as prometheus-client asks for them."""
        yield from self._of_quota(self._state.quota)
        yield from self._of_replicas(self._state.replicas)
        yield self._of_waits(self._state.waits)
        for column, (name, says) in _OF_SHARD.items():
            gauge = GaugeMetricFamily(name, says, labels=["shard"])
            for row in self._state.shards:
                gauge.add_metric([str(row["shard_id"])], float(row[column]))
            yield gauge
        for column, (name, says) in _OF_PHASE.items():
            gauge = GaugeMetricFamily(name, says, labels=["shard", "phase"])
            for row in self._state.phases:
                if row[column] is not None:
                    gauge.add_metric([str(row["shard_id"]), str(row["phase"])], float(row[column]))
            yield gauge
        for measure, (name, says) in _OF_OWNER.items():
            kind = CounterMetricFamily if measure.endswith("_total") else GaugeMetricFamily
            family = kind(name, says, labels=["shard"])
            for shard_id, measures in self._owners.items():
                if measure in measures:
                    family.add_metric([str(shard_id)], measures[measure])
            yield family

    @staticmethod
    def _of_waits(waits: Sequence[WaitReason]) -> Metric:
        family = GaugeMetricFamily("gbm_waiting", "Mailboxes, or whole shards, that wait", labels=["shard", "kind"])
        for (shard_id, kind), number in sorted(Counter((each.shard_id, each.kind.value) for each in waits).items()):
            family.add_metric([str(shard_id), kind], number)
        return family

    @staticmethod
    def _of_replicas(replicas: Sequence[Health]) -> Iterable[Metric]:
        ready = GaugeMetricFamily("gbm_replica_in_rotation", "1 while the replica is read from", labels=["replica"])
        size = GaugeMetricFamily("gbm_replica_lag_bytes", "Bytes of log not replayed yet", labels=["replica"])
        age = GaugeMetricFamily("gbm_replica_lag_seconds", "Seconds behind the primary", labels=["replica"])
        for each in replicas:
            ready.add_metric([each.name], float(each.ready))
            if each.lag_bytes is not None and each.lag_s is not None:
                size.add_metric([each.name], each.lag_bytes)
                age.add_metric([each.name], each.lag_s)
        yield from (ready, size, age) if replicas else ()

    @staticmethod
    def _of_quota(today: Forecast) -> Iterable[Metric]:
        yield GaugeMetricFamily("gbm_quota_units_today", "Units spent since midnight, Pacific time", today.spent)
        yield GaugeMetricFamily(
            "gbm_quota_units_by_midnight", "Units that the day will have cost at its pace so far", today.by_midnight
        )
        if today.threshold is not None:
            yield GaugeMetricFamily(
                "gbm_quota_units_billing_threshold", "Units a day from which Google bills", today.threshold
            )
            yield GaugeMetricFamily("gbm_quota_units_free_left", "Units of the day that are free", today.free_left)
            yield GaugeMetricFamily(
                "gbm_quota_units_billed_by_midnight",
                "Units of the day that Google will bill at its pace so far",
                today.billed_by_midnight,
            )


def router(metrics: Metrics) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["service"])

    @routes.get("/metrics", summary="The state of the cluster, for Prometheus", response_class=Response)
    @public(cost=0)
    async def answer() -> Response:
        return Response(await metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return routes
