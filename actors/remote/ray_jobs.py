"""Campaigns and restores as Ray Jobs."""

import shlex
from collections.abc import Sequence
from typing import Any

from storage.control.campaigns import Campaign, Campaigns
from storage.control.restore_records import Restore
from storage.control.restores import Restores


def start_campaign(dashboard: str, command: Sequence[str], campaigns: Campaigns, campaign: Campaign) -> Campaign:
    """Submit a Ray Job for a campaign, unless its last job is alive. Blocking.

    Args:
        command: the job's command, without the campaign's id.

    Raises:
        ConnectionError, RuntimeError: Ray does not answer, or does not take the job.
        CampaignEnded.
    """
    from ray.job_submission import JobSubmissionClient

    client = JobSubmissionClient(dashboard)
    if campaign.runs and campaign.ended_at is None and _is_alive(client, campaign.job_id):
        return campaign
    campaign = campaigns.run(campaign.campaign_id)
    metadata = {"campaign": str(campaign.campaign_id), "mode": campaign.mode, "mailboxes": str(campaign.mailboxes)}
    _submit(client, campaign.job_id, [*command, str(campaign.campaign_id)], metadata)
    return campaign


def start_restore(dashboard: str, command: Sequence[str], restores: Restores, restore: Restore) -> Restore:
    """Submit a Ray Job for a restore, unless its last job is alive. Blocking.

    Args:
        command: the job's command, without the restore's id and the number of the run.

    Raises:
        ConnectionError, RuntimeError: Ray does not answer, or does not take the job.
        RestoreConflict.
    """
    from ray.job_submission import JobSubmissionClient

    client = JobSubmissionClient(dashboard)
    if restore.runs and restore.at_work and _is_alive(client, restore.job_id):
        return restore
    restore = restores.run(restore.restore_id)
    command = [*command, str(restore.restore_id), "--run", str(restore.runs)]
    _submit(client, restore.job_id, command, {"restore": str(restore.restore_id)})
    return restore


def _submit(client: Any, job_id: str, command: Sequence[str], metadata: dict[str, str]) -> None:
    client.submit_job(entrypoint=shlex.join(command), submission_id=job_id, entrypoint_num_cpus=0, metadata=metadata)


def _is_alive(client: Any, job_id: str) -> bool:
    try:
        return not client.get_job_status(job_id).is_terminal()
    except RuntimeError:  # unknown to this Ray: an earlier cluster ran the job
        return False
