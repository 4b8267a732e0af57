"""What one process of a cluster watches for as long as the cluster runs: owners, jobs, moves, partitions, quota.

`gbm up` runs it in its own process, a Kubernetes cluster in the Serve application `supervisor`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from actors.forecast import forecast
from actors.rate_limits import RatesConfig
from actors.supervisor import SupervisorConfig
from cluster.backfill import campaign_command
from cluster.campaign_supervisor import CampaignSupervisor
from cluster.restoring import restore_command
from cluster.stores import Stores
from cluster.submitting import submit_campaign, submit_restore
from cluster.supervision import supervised
from storage.control.campaigns import Campaign, Campaigns
from storage.control.restore_records import Restore
from storage.control.restores import Restores
from storage.control.wait_reasons import WaitReasons
from storage.db.partitions import maintain_all
from storage.errors import BackupError
from storage.moving.move import Mover

_LOG = logging.getLogger(__name__)

#: Seconds between two checks of the day's quota.
_FORECAST_EVERY_S = 60.0
#: Seconds between two checks of the tables' partitions, and before the next check after a failure.
_PARTITIONS_EVERY_S, _PARTITIONS_AGAIN_S = 86_400.0, 3600.0


@contextmanager
def watched(stores: Stores, dashboard: str, rates: RatesConfig | None, api: str | None) -> Iterator[None]:
    """Watch the cluster that this process is connected to, in threads, until the block ends.

    Args:
        dashboard: where the jobs of campaigns and restores are submitted.
        rates: configuration of callers' rates; None: there is no gateway.
        api: address of the gateway that is asked whether it answers; None: it is not asked.
    """
    ray = stores.settings.ray
    looks = (_keeper(stores, dashboard).look, _restore_keeper(stores, dashboard).look)
    watch = SupervisorConfig(every_s=ray.ping_every_s, hung_after_s=ray.hung_after_s)
    reasons, campaigns = WaitReasons(stores.databases.control), Campaigns(stores.databases.control)
    with ExitStack() as stack:
        stack.enter_context(_in_thread(stores, ray.ping_every_s, looks))
        stack.enter_context(supervised(stores.config, rates, list(stores.shards), watch, reasons, campaigns, api))
        yield


def _warn_of_billing(stores: Stores) -> None:
    """Record the day's initial units, and warn when its units will exceed the number from which Google bills."""
    try:
        today = forecast(stores.databases, stores.config.gmail, datetime.now(UTC))
    except BackupError as exc:
        _LOG.warning("The day's quota is not known: %s", exc)
        return
    if today.passes and not today.paced:
        _LOG.warning("Quota units by midnight: %d, of %s before billing", today.by_midnight, today.threshold)


def _keeper(stores: Stores, dashboard: str) -> CampaignSupervisor[Campaign]:
    campaigns = Campaigns(stores.databases.control)

    def start(campaign: Campaign) -> Campaign:
        return submit_campaign(stores.home, dashboard, campaign_command(stores.home), campaigns, campaign)[0]

    return CampaignSupervisor(campaigns, start)


def _restore_keeper(stores: Stores, dashboard: str) -> CampaignSupervisor[Restore]:
    restores, at_once = Restores(stores.databases.control), stores.settings.restore.at_once

    def start(restore: Restore) -> Restore:
        return submit_restore(stores.home, dashboard, restore_command(stores.home), restores, restore, at_once)

    return CampaignSupervisor(_Admitted(restores, at_once), start, what="Restore")


@dataclass(frozen=True, slots=True)
class _Admitted:
    """The restores that may have a job now, for the supervisor."""

    restores: Restores
    at_once: int

    def running(self) -> list[Restore]:
        """The oldest, and those that are told to stop."""
        return self.restores.admitted(self.at_once)


def _keep_jobs(look: Callable[[], object]) -> None:
    try:
        look()
    except BackupError as exc:
        _LOG.warning("Campaigns and restores could not be checked: %s", exc)


def _maintain_partitions(stores: Stores) -> float:
    """Create partitions ahead and drop expired ones; returns the seconds until the next run."""
    failures = maintain_all(stores.databases, datetime.now(UTC))
    for failure in failures:
        _LOG.warning("The partitions of a database could not be maintained: %s", failure)
    return _PARTITIONS_AGAIN_S if failures else _PARTITIONS_EVERY_S


def _clean_moves(stores: Stores) -> None:
    """Delete the old copies of moved shards once no reader can use them."""
    try:
        Mover(stores.databases, stores.config.cluster).clean()
    except BackupError as exc:
        _LOG.warning("Former copies of moved shards stay for now: %s", exc)


@contextmanager
def _in_thread(stores: Stores, every_s: float, looks: Sequence[Callable[[], object]]) -> Iterator[None]:
    """Check the jobs of campaigns and restores, the moves and the partitions periodically."""
    ended = threading.Event()

    def watch() -> None:
        forecast_at = partitions_at = 0.0
        while not ended.wait(every_s):
            for look in looks:
                _keep_jobs(look)
            _clean_moves(stores)
            if time.monotonic() >= forecast_at:
                forecast_at = time.monotonic() + _FORECAST_EVERY_S
                _warn_of_billing(stores)
            if time.monotonic() >= partitions_at:
                partitions_at = time.monotonic() + _maintain_partitions(stores)

    thread = threading.Thread(target=watch, name="watch-campaigns", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
