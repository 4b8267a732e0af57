"""Pausing, resuming and watching one's own mailbox, over real stores."""

import httpx
import pytest

from actors.decisions import Mode
from actors.remote.client import ShardUnavailable
from storage.control.accounts import MailboxPaused
from storage.db.audit import Audit
from tests.integration.serve.conftest import Archive, RecordingOwners, mail, signed_in

SYNC = "/api/v1/sync"


async def test_a_pause_is_remembered_told_and_ended(
    client: httpx.AsyncClient, archive: Archive, owners: RecordingOwners
) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], mail("one"))])
    headers = await signed_in(client, key)

    paused = await client.post(f"{SYNC}/pause", headers=headers)
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    assert owners.pauses == [("pause", user)]
    assert archive.control.paused(user.shard_id) == {user.user_id}

    resumed = await client.post(f"{SYNC}/resume", headers=headers)
    assert (resumed.status_code, resumed.json()["paused"]) == (202, False)
    assert owners.pauses[1:] == [("unpause", user)]
    assert owners.requests == [(user, Mode.INCREMENTAL)]
    log = Audit(archive.databases.control).newest(2**62, 10)
    assert [(entry.actor, entry.action) for entry in log[:3] if entry.action.startswith("account.")][:2] == [
        ("ann@example.com", "account.resume"),
        ("ann@example.com", "account.pause"),
    ]


async def test_a_pause_counts_although_the_owner_is_away(
    client: httpx.AsyncClient, archive: Archive, owners: RecordingOwners
) -> None:
    user, key = archive.add_user("ann@example.com")
    headers = await signed_in(client, key)
    owners.failure = ShardUnavailable(user.shard_id, "gone")

    paused = await client.post(f"{SYNC}/pause", headers=headers)

    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    assert archive.control.is_paused(user.user_id)


async def test_a_paused_mailbox_says_so_to_whoever_asks_for_a_sync(
    client: httpx.AsyncClient, archive: Archive, owners: RecordingOwners
) -> None:
    _, key = archive.add_user("ann@example.com")
    owners.failure = MailboxPaused("ann@example.com")
    answer = await client.post(SYNC, json={"mode": "full"}, headers=await signed_in(client, key))
    assert (answer.status_code, answer.json()["code"]) == (409, "mailbox_paused")


@pytest.mark.parametrize("active", [None, {"active": False}])
async def test_progress_streams_until_nothing_is_under_way(
    client: httpx.AsyncClient, archive: Archive, owners: RecordingOwners, active: dict[str, bool] | None
) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], mail("one"))])
    owners.live = active

    stream = await client.get(f"{SYNC}/progress", headers=await signed_in(client, key))

    first, end = stream.text.strip().split("\n\n")
    assert stream.headers["cache-control"] == "no-store"
    assert first.startswith("id: ")
    assert '"phase":"current"' in first
    assert '"messages":1' in first
    assert "event: end" in end
