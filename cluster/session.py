"""The local Ray of `gbm up` and `gbm demo`, and jobs on it. The only file of cluster/ that knows Ray.

Everything binds loopback, and the dashboard wants a token. Ray's processes end with the process that started them, so a
killed cluster leaves none behind.
"""

import asyncio
import hashlib
import logging
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster import haproxy
from cluster.home import Home
from cluster.leftovers import MARK, end_leftovers
from cluster.settings import RaySettings
from cluster.signals import watch_signals
from storage.campaigns import Campaign, Campaigns
from storage.errors import BackupError

if TYPE_CHECKING:
    from actors.tending import Compacted
    from storage.rollup import RolledUp

_LOG = logging.getLogger(__name__)

#: Seconds that a whole shard's compaction may take before it is no longer waited for; it goes on.
_COMPACTION_S = 6 * 3600.0
#: Seconds that the first roll-up of a large shard may take.
_ROLLUP_S = 3600.0


class RayUnavailable(BackupError):
    """Ray did not start, or does not answer. See its logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Ray is not available: {self.reason}."


class JobRefused(BackupError):
    """The job was not taken or did not succeed. Its log says why."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(job_id, reason)
        self.job_id, self.reason = job_id, reason

    def __str__(self) -> str:
        return f"The job {self.job_id} did not succeed: {self.reason}"


def environment(home: Home) -> dict[str, str]:
    """What Ray must find in the environment of every process, before it is imported."""
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # binds loopback
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_path(home)),
        "RAY_SCHEDULER_EVENTS": "0",
        # Ray ends idle workers beyond this number after a second. By default it is the number of CPUs, and fractional
        # tasks need more: workers then die and start anew for ever (20,000 messages: 4.6 ms of CPU each, not 0.3).
        "RAY_num_workers_soft_limit": "24",
        MARK: str(home.root),
    }


def token_path(home: Home) -> Path:
    """The file with the token that the dashboard and every client of this Ray need."""
    return home.run / "ray.token"


def prepare_environment(home: Home) -> None:
    """Set Ray's environment in this process; to be called before Ray is imported."""
    os.environ.update(environment(home))
    path = token_path(home)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(32).hex())


@contextmanager
def local_ray(home: Home, settings: RaySettings) -> Iterator[str]:
    """A Ray of our own until the block ends; gives the dashboard's URL.

    Raises:
        RayUnavailable.
    """
    prepare_environment(home)
    folder = _temp_folder(home)
    os.environ.update(haproxy.environment(folder / "h"))
    import ray
    from ray.exceptions import RayError

    _let_agents_coexist()
    _keep_standard_output_clean()
    try:
        context = ray.init(
            address="local",
            num_cpus=settings.cpus,
            object_store_memory=settings.object_store_bytes,
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            dashboard_port=settings.dashboard_port,
            namespace="gbm",
            log_to_driver=False,
            logging_level=logging.WARNING,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder),
        )
    except (RayError, RuntimeError, ValueError, ConnectionError, TimeoutError) as exc:
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc
    watch_signals()  # Ray has set handlers of its own
    try:
        yield f"http://{context.dashboard_url}"
    finally:
        ray.shutdown()
        end_leftovers(home.root)


def start_shards(config: Any, shards: Sequence[int]) -> None:
    """Start the broker and the owner of every shard; they work from their first ping on.

    Args:
        config: actors.config.BackupConfig.
        shards: their numbers; each owner finds its database in the map.
    """
    from actors.remote.quota import start_broker
    from actors.remote.shard import start_shard

    broker = start_broker(config)
    for shard_id in shards:
        start_shard(shard_id, config, broker, len(shards))


async def sweep_shards(shards: Sequence[int]) -> list[str]:
    """Have every owner take its shard; returns the orphan files swept on the way.

    Raises:
        BackupError: an owner cannot work.
    """
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=60.0)
    swept = await asyncio.gather(*(client.ping(shard_id) for shard_id in shards))
    return [name for names in swept for name in names]


async def ping_shards(shards: Sequence[int]) -> dict[int, str]:
    """Look at every shard's owner, replacing one that failed; {shard: what is wrong}."""
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=30.0)
    answers = await asyncio.gather(*(client.ping(shard_id) for shard_id in shards), return_exceptions=True)
    troubles = {}
    for shard_id, answer in zip(shards, answers, strict=True):
        if isinstance(answer, BackupError):
            troubles[shard_id] = str(answer)
        elif isinstance(answer, BaseException):
            raise answer
    return troubles


async def close_shards(shards: Sequence[int]) -> None:
    """Have every owner give its lease up."""
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=10.0)
    await asyncio.gather(*(client.close(shard_id) for shard_id in shards), return_exceptions=True)


def address() -> str:
    """Where other processes of this machine join the Ray that this process runs."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


def compact_shards(home: Home, address: str, shards: Sequence[int], wait: bool) -> "dict[int, list[Compacted]]":
    """Have the owners of shards merge all that they can, from outside the cluster; what was merged, if waited for.

    Raises:
        RayUnavailable, and whatever an owner raises.
    """
    with _joined(home, address):
        return asyncio.run(_compact(shards, wait))


def roll_up_shards(home: Home, address: str, shards: Sequence[int]) -> "dict[int, RolledUp | None]":
    """Have the owners of shards roll up what only Postgres knows, from outside the cluster.

    Raises:
        RayUnavailable, and whatever an owner raises.
    """
    with _joined(home, address):
        return asyncio.run(_roll_up(shards))


async def _roll_up(shards: Sequence[int]) -> "dict[int, RolledUp | None]":
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_ROLLUP_S)
    return {shard_id: await client.roll_up(shard_id) for shard_id in shards}


@contextmanager
def _joined(home: Home, address: str) -> Iterator[None]:
    """Be a client of a running cluster until the block ends."""
    prepare_environment(home)
    import ray
    from ray.exceptions import RayError

    try:
        ray.init(address, namespace="gbm", log_to_driver=False, logging_level=logging.WARNING)
    except (RayError, RuntimeError, ValueError, ConnectionError, TimeoutError) as exc:
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc
    try:
        yield
    finally:
        ray.shutdown()


async def _compact(shards: Sequence[int], wait: bool) -> "dict[int, list[Compacted]]":
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_COMPACTION_S if wait else 30.0)
    return {shard_id: await client.compact(shard_id, wait) for shard_id in shards}


def job_of(home: Home, dashboard: str, job_id: str) -> "Job":
    """A job that was submitted.

    Raises:
        RayUnavailable.
    """
    prepare_environment(home)
    from ray.job_submission import JobSubmissionClient

    try:
        return Job(job_id, JobSubmissionClient(dashboard))
    except (ConnectionError, RuntimeError) as exc:
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc


def submit_campaign(
    home: Home, dashboard: str, command: Sequence[str], campaigns: Campaigns, campaign: Campaign
) -> tuple[Campaign, "Job"]:
    """Have a campaign worked on by a Ray Job, submitted unless the last one is alive.

    Raises:
        RayUnavailable, JobRefused, CampaignEnded.
    """
    prepare_environment(home)
    from actors.remote.campaigns import start_campaign

    try:
        campaign = start_campaign(dashboard, command, campaigns, campaign)
    except ConnectionError as exc:
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc
    except RuntimeError as exc:
        raise JobRefused(campaign.job_id, str(exc).strip().splitlines()[0]) from exc
    return campaign, job_of(home, dashboard, campaign.job_id)


def submit_job(home: Home, dashboard: str, command: Sequence[str], job_id: str) -> "Job":
    """Have a command run as a Ray Job.

    Raises:
        RayUnavailable, JobRefused.
    """
    prepare_environment(home)
    from ray.job_submission import JobSubmissionClient

    try:
        client = JobSubmissionClient(dashboard)
        client.submit_job(entrypoint=shlex.join(command), submission_id=job_id, entrypoint_num_cpus=0)
    except ConnectionError as exc:
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc
    except RuntimeError as exc:
        raise JobRefused(job_id, str(exc).strip().splitlines()[0]) from exc
    return Job(job_id, client)


class Job:
    """A submitted job."""

    def __init__(self, job_id: str, client: Any) -> None:
        self.job_id, self._client = job_id, client

    def ended(self) -> bool:
        """Whether the job is over; one that failed raises.

        Raises:
            JobRefused: with the end of its log.
        """
        status = str(self._client.get_job_status(self.job_id).value)
        if status in ("FAILED", "STOPPED"):
            raise JobRefused(self.job_id, _last_lines(self._client.get_job_logs(self.job_id)) or status.lower())
        return status == "SUCCEEDED"


def _last_lines(log: str) -> str:
    lines = [line for line in log.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def connect_from_job() -> None:
    """Connect to the cluster that this job runs on."""
    import ray

    ray.init(namespace="gbm", log_to_driver=False, logging_level=logging.WARNING)


def _let_agents_coexist() -> None:
    """Give the dashboard's agent a free port.

    `ray.init` has no argument for it, and its default (52365) is one for the whole machine: a second Ray's agent would
    not start, and no job could be submitted to it.
    """
    from ray._private import parameter

    if not issubclass(parameter.RayParams, _FreeAgentPort):
        parameter.RayParams = type("RayParams", (_FreeAgentPort, parameter.RayParams), {})


def _keep_standard_output_clean() -> None:
    """Have what Ray tells its driver logged: Ray prints it to standard output, where our commands print data."""
    from ray._private import worker

    def log(message: dict[str, Any], **_: object) -> None:
        for line in message.get("lines", ()):
            _LOG.info("Ray says: %s", line)

    worker.print_to_stdstream = log
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


class _FreeAgentPort:
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{"dashboard_agent_listen_port": 0, **arguments})


def _temp_folder(home: Home) -> Path:
    """A private folder for Ray's session and HAProxy, empty at first. The home itself is no place: both make sockets
    below long names of their own in it, and a Unix socket's path has at most 107 bytes (HAProxy: 97)."""
    digest = hashlib.sha256(str(home.root).encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"gbm-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    stat = folder.lstat()
    if stat.st_uid != os.geteuid() or folder.is_symlink() or not folder.is_dir():
        raise RayUnavailable(f"the folder {folder} belongs to somebody else; remove it")
    folder.chmod(0o700)
    for old in folder.iterdir():  # we hold the home's lock, so whatever lies here is a former session's
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink()
    return folder
