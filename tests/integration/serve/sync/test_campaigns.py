"""Campaigns over HTTP: operators begin, watch, cancel and resume them; nobody else learns that they exist."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from serve.assembly import Assembly
from serve.config import ServeConfig
from serve.settings import Settings
from serve.sync.ports import JobsUnavailable
from storage.control.campaigns import Campaign, Campaigns, CampaignState
from storage.control.restore_records import Restore
from storage.control.restores import Restores
from tests.integration.serve.conftest import Archive, RecordingOwners, signed_in

PATH = "/api/v1/sync/backfills"


class RecordingJobs:
    """Submits nothing, but counts the run, as a real one does."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.failure: JobsUnavailable | None = None

    def start(self, campaigns: Campaigns, campaign: Campaign) -> Campaign:
        if self.failure is not None:
            raise self.failure
        if campaign.runs and campaign.ended_at is None:
            return campaign
        campaign = campaigns.run(campaign.campaign_id)
        self.started.append(campaign.job_id)
        return campaign

    def start_restore(self, restores: Restores, restore: Restore) -> Restore:
        raise AssertionError(f"{restores} was not asked to restore {restore}")


@pytest.fixture
def jobs() -> RecordingJobs:
    return RecordingJobs()


@pytest.fixture
async def http(archive: Archive, owners: RecordingOwners, jobs: RecordingJobs) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the sync and auth applications."""
    assembly = Assembly(Settings(archive.backup, ServeConfig()), owners, jobs)
    apps = {"auth": assembly.auth(), "sync": assembly.sync()}

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        await apps["auth" if scope["path"].startswith("/api/v1/auth") else "sync"](scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(proxy), base_url="http://gateway") as client:
        yield client
    assembly.close()


@pytest.fixture
async def operator(archive: Archive, http: httpx.AsyncClient) -> dict[str, str]:
    """The header of an operator."""
    return await signed_in(http, archive.add_user("operator@example.com", "operator")[1])


async def test_an_operator_begins_a_campaign_and_looks_how_far_it_is(
    archive: Archive, http: httpx.AsyncClient, operator: dict[str, str], jobs: RecordingJobs
) -> None:
    archive.add_user("ada@example.com")

    begun = await http.post(PATH, json={"all": True}, headers=operator)
    found = await http.get(begun.headers["Location"], headers=operator)

    assert begun.status_code == 202, begun.text
    assert (begun.json()["state"], begun.json()["mailboxes"], begun.json()["job_id"]) == ("running", 2, jobs.started[0])
    operation = found.json()
    assert (found.status_code, operation["id"]) == (200, f"backfill-{begun.json()['id']}")
    assert (operation["kind"], operation["state"], operation["progress"]["total"]) == ("backfill", "running", 2)
    assert (await http.get(operation["links"]["backfill"], headers=operator)).json()["id"] == begun.json()["id"]
    assert found.json()["requested_by"] == "operator@example.com"


async def test_the_same_request_joins_and_a_key_is_one_campaign_for_ever(
    archive: Archive, http: httpx.AsyncClient, operator: dict[str, str], jobs: RecordingJobs
) -> None:
    body, keyed = {"emails": ["operator@example.com"]}, {**operator, "Idempotency-Key": "monday"}
    first = (await http.post(PATH, json=body, headers=keyed)).json()
    joined = (await http.post(PATH, json=body, headers=operator)).json()
    Campaigns(archive.databases.control).end(int(first["id"]), CampaignState.COMPLETE)
    again = (await http.post(PATH, json=body, headers=keyed)).json()
    new = (await http.post(PATH, json=body, headers=operator)).json()

    assert first["id"] == joined["id"] == again["id"] != new["id"]
    assert again["state"] == "complete"
    assert len(jobs.started) == 2


async def test_a_campaign_is_cancelled_and_resumed(
    archive: Archive, http: httpx.AsyncClient, operator: dict[str, str], jobs: RecordingJobs
) -> None:
    begun = (await http.post(PATH, json={"all": True}, headers=operator)).json()
    cancelled = await http.post(f"{PATH}/{begun['id']}/cancel", headers=operator)
    Campaigns(archive.databases.control).end(int(begun["id"]), CampaignState.CANCELLED)
    resumed = await http.post(f"{PATH}/{begun['id']}/resume", headers=operator)
    Campaigns(archive.databases.control).end(int(begun["id"]), CampaignState.COMPLETE)
    late = await http.post(f"{PATH}/{begun['id']}/cancel", headers=operator)

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelling")
    assert (resumed.status_code, resumed.json()["state"], len(jobs.started)) == (202, "running", 2)
    assert (late.status_code, late.json()["code"]) == (409, "campaign_ended")


async def test_campaigns_are_listed_in_pages(
    archive: Archive, http: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    for number in range(3):
        archive.add_user(f"user-{number}@example.com")
        await http.post(PATH, json={"emails": [f"user-{number}@example.com"]}, headers=operator)

    first = (await http.get(PATH, params={"limit": 2}, headers=operator)).json()
    rest = (await http.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}, headers=operator)).json()

    ids = [int(item["id"]) for item in (*first["items"], *rest["items"])]
    assert len(ids) == 3 and ids == sorted(ids, reverse=True)
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("role", ["owner", "auditor"])
async def test_only_operators_begin_campaigns_and_auditors_see_them(
    archive: Archive, http: httpx.AsyncClient, role: str
) -> None:
    header = await signed_in(http, archive.add_user("ada@example.com", role)[1])

    answers = [
        await http.post(PATH, json={"all": True}, headers=header),
        await http.get(PATH, headers=header),
        await http.get(f"{PATH}/1", headers=header),
        await http.post(f"{PATH}/1/cancel", headers=header),
        await http.post(f"{PATH}/1/resume", headers=header),
    ]

    told = [(answer.status_code, answer.json().get("code")) for answer in answers]
    refused = (403, "role_required")
    seen = [refused, refused] if role == "owner" else [(200, None), (404, "unknown_campaign")]
    assert told == [refused, *seen, refused, refused]
    assert (await http.get(PATH)).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"all": True, "emails": ["operator@example.com"]}, 422),
        ({"all": True, "mode": "sideways"}, 422),
        ({"emails": ["nobody@example.com"]}, 404),
        ({"emails": ["a"] * 1001}, 422),
    ],
)
async def test_a_request_that_makes_no_sense_begins_nothing(
    http: httpx.AsyncClient, operator: dict[str, str], jobs: RecordingJobs, body: dict[str, Any], status: int
) -> None:
    answer = await http.post(PATH, json=body, headers=operator)

    assert answer.status_code == status, answer.text
    assert jobs.started == []


@pytest.mark.parametrize("campaign_id", ["999999", "abc", "-1", "9" * 30, "%F0%9F%90%B4"])
async def test_an_unknown_campaign_is_404(http: httpx.AsyncClient, operator: dict[str, str], campaign_id: str) -> None:
    assert (await http.get(f"{PATH}/{campaign_id}", headers=operator)).status_code == 404


async def test_a_ray_that_takes_no_jobs_is_503_and_the_same_request_goes_on_later(
    http: httpx.AsyncClient, operator: dict[str, str], jobs: RecordingJobs
) -> None:
    jobs.failure = JobsUnavailable("refused")
    refused = await http.post(PATH, json={"all": True}, headers=operator)
    jobs.failure = None
    again = await http.post(PATH, json={"all": True}, headers=operator)

    assert (refused.status_code, refused.json()["code"]) == (503, "jobs_unavailable")
    assert again.status_code == 202 and len(jobs.started) == 1


OPERATIONS = "/api/v1/sync/operations"


async def test_an_operation_is_listed_watched_and_cancelled(
    http: httpx.AsyncClient, operator: dict[str, str], archive: Archive
) -> None:
    archive.add_user("ann@example.com")
    begun = await http.post(PATH, json={"all": True}, headers=operator)
    where = begun.headers["location"]

    listed = (await http.get(OPERATIONS, headers=operator)).json()["items"]
    assert [item["links"]["self"] for item in listed] == [where]
    assert (await http.get(f"{OPERATIONS}?state=complete", headers=operator)).json()["items"] == []
    cancelled = await http.post(f"{where}/cancel", headers=operator)
    assert cancelled.json()["state"] == "cancelling"
    Campaigns(archive.databases.control).end(int(begun.json()["id"]), CampaignState.CANCELLED)
    stream = await http.get(f"{where}/progress", headers=operator)
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = stream.text.strip().split("\n\n")
    assert '"state":"cancelled"' in events[0]
    assert "event: end" in events[-1]
    assert (await http.post(f"{where}/cancel", headers=operator)).status_code == 409

    for unknown in ("backfill-999", "export-1", "backfill-x", "x"):
        for answer in (
            await http.get(f"{OPERATIONS}/{unknown}", headers=operator),
            await http.get(f"{OPERATIONS}/{unknown}/progress", headers=operator),
            await http.post(f"{OPERATIONS}/{unknown}/cancel", headers=operator),
        ):
            assert answer.status_code == 404


async def test_a_key_that_was_used_for_another_request_is_refused(
    http: httpx.AsyncClient, operator: dict[str, str], archive: Archive
) -> None:
    archive.add_user("ann@example.com")
    headers = operator | {"Idempotency-Key": "once"}
    first = await http.post(PATH, json={"emails": ["ann@example.com"]}, headers=headers)
    same = await http.post(PATH, json={"emails": ["ann@example.com"]}, headers=headers)
    other = await http.post(PATH, json={"emails": ["ann@example.com"], "mode": "full"}, headers=headers)

    assert (first.status_code, same.json()["id"]) == (202, first.json()["id"])
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
