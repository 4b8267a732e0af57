"""The Serve applications of a cluster of several nodes, by the import paths of k8s/base/rayservice.yaml.

    import_path: cluster.kubernetes.applications:gateway
    args: {name: emails}

Ray Serve calls the builders on a node of the cluster, where settings and secrets are in the environment. A builder
connects to nothing. The application `supervisor` takes the place of the process that `gbm up` runs: it has no route.
"""

from contextlib import ExitStack
from typing import get_args

from pydantic import BaseModel
from ray import serve as ray_serve

from cluster.backfill import campaign_command
from cluster.home import Home
from cluster.kubernetes.node import identity
from cluster.owners import start_shards
from cluster.ray_internals import dashboard_of_this_ray
from cluster.restoring import restore_command
from cluster.settings import Settings, load
from cluster.stores import backup_config, home_of, open_stores, share_sealing_key
from cluster.watching import watched
from jobs.analysis.running import require_known
from serve import deployment
from serve.config import Application
from serve.settings import CampaignsConfig, require_usable
from serve.settings import Settings as GatewaySettings
from storage.errors import BackupError

SUPERVISOR = "supervisor"


class NotShared(BackupError):
    """A cluster of several nodes needs databases, an archive and a name that all nodes share. Set them."""

    def __init__(self, setting: str) -> None:
        super().__init__(setting)
        self.setting = setting

    def __str__(self) -> str:
        return f"A cluster of several nodes cannot use what only one node has: set {self.setting}."


class GatewayArguments(BaseModel, frozen=True, extra="forbid"):
    """Arguments of `gateway` in serveConfigV2."""

    name: Application


class SupervisorArguments(BaseModel, frozen=True, extra="forbid"):
    """Arguments of `supervisor` in serveConfigV2: none. Ray Serve calls no builder without a parameter."""


def gateway(arguments: GatewayArguments) -> ray_serve.Application:
    """One application of the gateway.

    Raises:
        NotShared, NodeUnprepared, InvalidSettings.
        KeyMissing, KeyInvalid, KeyExposed, InvalidDsn, ArchiveUnusable: the configuration is invalid.
    """
    settings = require_shared(load())
    home = home_of(settings)
    settings_of_replicas = GatewaySettings(
        backup_config(settings, home, settings.postgres),
        settings.serve,
        _campaigns(home, settings.restore.at_once),
        identity(settings.join).proof,
    )
    require_usable(settings_of_replicas)
    return deployment.application(arguments.name, settings_of_replicas)


def supervisor(_arguments: SupervisorArguments) -> ray_serve.Application:
    """The one replica that starts the shards' owners and watches over the cluster.

    Raises:
        NotShared, InvalidSettings.
    """
    require_known(require_shared(load()).analysis)
    deployed = ray_serve.deployment(
        Supervisor,
        name=SUPERVISOR,
        num_replicas=1,
        max_ongoing_requests=1,
        ray_actor_options={"num_cpus": 0},
        health_check_period_s=10.0,
        graceful_shutdown_timeout_s=5.0,
    )
    return deployed.bind()


class Supervisor:
    """Starts the owners of all shards and watches them, the jobs, the moves and the partitions.

    Two supervisors at once, during an update of the application, do no harm: actors have names, and leases have epochs.
    Owners keep their leases when a supervisor ends; the next one finds them by name.
    """

    def __init__(self) -> None:
        settings = load()
        with ExitStack() as stack:
            stores = stack.enter_context(open_stores(settings))
            share_sealing_key(settings)
            start_shards(stores.config, list(stores.shards))
            stack.enter_context(watched(stores, dashboard_of_this_ray(), settings.serve.rates, None))
            self._open = stack.pop_all()

    def __del__(self) -> None:
        if hasattr(self, "_open"):
            self._open.close()


def require_shared(settings: Settings) -> Settings:
    """Settings whose databases, archive and name do not belong to one node.

    Raises:
        NotShared.
    """
    if settings.postgres.control_dsn is None:
        raise NotShared("GBM_POSTGRES__CONTROL_DSN")
    if not settings.archive.uri:
        raise NotShared("GBM_ARCHIVE__URI")
    if not settings.cluster:
        raise NotShared("GBM_CLUSTER")
    return settings


def applications() -> tuple[str, ...]:
    """The applications that serveConfigV2 must name."""
    return (*get_args(Application), SUPERVISOR)


def _campaigns(home: Home, restores_at_once: int) -> CampaignsConfig:
    commands = tuple(campaign_command(home)), tuple(restore_command(home))
    return CampaignsConfig(dashboard_of_this_ray(), *commands, restores_at_once)
