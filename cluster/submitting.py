"""Submits Ray Jobs to a running cluster and waits for them."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cluster.home import Home
from cluster.session import RayUnavailable, prepare_environment
from storage.control.campaigns import Campaign, Campaigns
from storage.control.restore_records import Restore
from storage.control.restores import Restores
from storage.errors import BackupError


class JobRefused(BackupError):
    """Ray did not accept the job, or the job failed. Read its log."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(job_id, reason)
        self.job_id, self.reason = job_id, reason

    def __str__(self) -> str:
        return f"The job {self.job_id} failed ({self.reason.rstrip('.')}): see its log in the Ray dashboard."


def job_of(home: Home, dashboard: str, job_id: str) -> "Job":
    """Attach to a submitted job.

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
    """Return the live Ray Job of a campaign, or submit one.

    Raises:
        RayUnavailable, JobRefused, CampaignEnded.
    """
    prepare_environment(home)
    from actors.remote.ray_jobs import start_campaign

    with _asking_ray(campaign.job_id):
        campaign = start_campaign(dashboard, command, campaigns, campaign)
    return campaign, job_of(home, dashboard, campaign.job_id)


def submit_restore(
    home: Home, dashboard: str, command: Sequence[str], restores: Restores, restore: Restore
) -> tuple[Restore, "Job"]:
    """Return the live Ray Job of a restore, or submit one.

    Raises:
        RayUnavailable, JobRefused, RestoreConflict.
    """
    prepare_environment(home)
    from actors.remote.ray_jobs import start_restore

    with _asking_ray(restore.job_id):
        restore = start_restore(dashboard, command, restores, restore)
    return restore, job_of(home, dashboard, restore.job_id)


@contextmanager
def _asking_ray(job_id: str) -> Iterator[None]:
    """Translate the errors of Ray's client to RayUnavailable and JobRefused."""
    try:
        yield
    except ConnectionError as exc:  # when a client is created
        raise RayUnavailable(str(exc).strip().splitlines()[0]) from exc
    except OSError as exc:  # later, as `requests` raises it: the cluster has ended
        raise RayUnavailable("its dashboard does not answer any more") from exc
    except RuntimeError as exc:
        raise JobRefused(job_id, str(exc).strip().splitlines()[0]) from exc


def submit_job(home: Home, dashboard: str, command: Sequence[str], job_id: str) -> "Job":
    """Run a command as a Ray Job.

    Raises:
        RayUnavailable, JobRefused.
    """
    prepare_environment(home)
    from ray.job_submission import JobSubmissionClient

    with _asking_ray(job_id):
        client = JobSubmissionClient(dashboard)
        client.submit_job(entrypoint=shlex.join(command), submission_id=job_id, entrypoint_num_cpus=0)
    return Job(job_id, client)


class Job:
    """A submitted job."""

    def __init__(self, job_id: str, client: Any) -> None:
        self.job_id, self._client = job_id, client

    def another(self, job_id: str) -> "Job":
        """Another job of the same Ray."""
        return Job(job_id, self._client)

    def ended(self) -> bool:
        """Whether the job has succeeded. A failed job raises.

        Raises:
            JobRefused: with the end of its log.
            RayUnavailable: the cluster has ended.
        """
        with _asking_ray(self.job_id):
            status = str(self._client.get_job_status(self.job_id).value)
            if status in ("FAILED", "STOPPED"):
                raise JobRefused(self.job_id, _last_lines(self._client.get_job_logs(self.job_id)) or status.lower())
            return status == "SUCCEEDED"


def _last_lines(log: str) -> str:
    lines = [line for line in log.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
