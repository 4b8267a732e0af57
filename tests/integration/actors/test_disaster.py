"""All but the archive (and a backup) is destroyed; the next sync makes it as it was and fetches no mail twice."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from actors.config import EvidenceConfig
from actors.decisions import Mode
from storage.db.engines import transaction
from storage.errors import BackupError
from storage.model.records import Phase, User
from storage.recovery.dump import back_up, restore
from storage.recovery.rebuild import reconcile
from storage.segments.file_names import ROLLUP_SUFFIX
from tests.integration.actors.conftest import Cluster, until


@pytest.fixture(autouse=True)
def quick_evidence(cluster: Cluster) -> None:
    """Two 404s, 0.3 s apart, tell a deletion that no history does."""
    shard = cluster.backup.shard.model_copy(update={"evidence": EvidenceConfig(check_delay_s=0.3)})
    cluster.backup = cluster.backup.model_copy(update={"shard": shard})


def lost(cluster: Cluster, new_pair: Callable[[], tuple[str, ...]]) -> Cluster:
    """The same archive and key with new, empty databases."""
    dsns = [SecretStr(dsn) for dsn in new_pair()]
    postgres = cluster.backup.postgres.model_copy(update={"control_dsn": dsns[0], "shard_dsns": (dsns[1],)})
    found = Cluster.__new__(Cluster)
    emails, cluster.simulator.emails = cluster.simulator.emails, []
    try:
        Cluster.__init__(found, cluster.simulator, cluster.backup.model_copy(update={"postgres": postgres}))
    finally:
        cluster.simulator.emails = emails
    return found


async def synced(cluster: Cluster) -> int:
    """Bring all mailboxes up to date; how many messages were fetched for that."""
    owner, swept = await cluster.owner()
    fetched = 0
    assert swept == []
    for user in cluster.users:
        await owner.request(user, Mode.INCREMENTAL)
        await cluster.quiet(owner, user)

        async def equal(user: User = user) -> bool:
            return await asyncio.to_thread(cluster.differences, user) == {}

        await until(equal)

        async def settled(user: User = user) -> bool:  # a deletion counts after a second look
            status = owner.status(user.user_id)
            return status is not None and not status["active"] and status["failed"] == 0

        await until(settled)
        status = owner.status(user.user_id)
        assert status is not None
        fetched += status["fetched"]
    await owner.close()
    return fetched


def index(cluster: Cluster) -> list[Any]:
    """What every message is and carries."""
    statement = (
        "SELECT user_id, message_id, thread_id, received_at, ARRAY(SELECT unnest(labels) ORDER BY 1), size_bytes,"
        " sha256, deleted_at IS NOT NULL FROM messages ORDER BY user_id, message_id"
    )
    with transaction(cluster.catalog.engine) as connection:
        return list(connection.execute(text(statement)))


def change(cluster: Cluster) -> None:
    """Labels, deletions and new mail at Gmail."""
    email = cluster.users[0].email
    first, second, third, *_ = sorted(cluster.simulator.held(email))
    cluster.simulator.act(email, f"messages/{first:x}/labels", add=["STARRED"], remove=["INBOX"])
    cluster.simulator.act(email, f"messages/{third:x}/labels", add=["STARRED"], remove=[])
    cluster.simulator.act(email, f"messages/{second:x}/delete")
    for number in range(5):
        cluster.simulator.ask(f"users/{email}/messages", f"Subject: New {number}\r\n\r\nHello.\r\n".encode())


@pytest.mark.slow
@pytest.mark.parametrize("rolled", [True, False])
async def test_after_a_rebuild_the_next_sync_is_equal(
    cluster: Cluster, new_pair: Callable[[], tuple[str, ...]], rolled: bool
) -> None:
    await synced(cluster)
    if rolled:
        owner, _ = await cluster.owner()
        await owner.roll_up()
        await owner.close()
    change(cluster)
    await synced(cluster)  # after the last roll-up
    before = index(cluster)
    for blob in list(cluster.blobs.list("")):
        if not rolled and blob.name.endswith(ROLLUP_SUFFIX):  # by the owner itself
            cluster.blobs.delete(blob.name)

    again = lost(cluster, new_pair)
    addresses = {user.user_id: user.email for user in cluster.users}
    done = reconcile(again.databases, {0: 0}, again.blobs, again.backup.archive, addresses)
    again.users = [again.add(user.email) for user in cluster.users]
    assert again.users == cluster.users
    assert (done.damaged, done.unnamed, done.relisted) == ([], [], 0 if rolled else 2)
    fetched = await synced(again)

    assert fetched == 0
    assert index(again) == before
    assert [again.phase(user) for user in again.users] == [Phase.CURRENT, Phase.CURRENT]
    assert [again.differences(user) for user in again.users] == [{}, {}]
    again.databases.close()


@pytest.mark.slow
async def test_rehearsal_all_but_the_archive_and_a_backup_is_destroyed(
    cluster: Cluster, new_pair: Callable[[], tuple[str, ...]], tmp_path: Path
) -> None:
    await synced(cluster)
    back_up(cluster.databases, tmp_path / "backup")
    change(cluster)
    await synced(cluster)  # the archive is newer than the backup
    before = index(cluster)

    again = lost(cluster, new_pair)
    restore(again.databases, tmp_path / "backup")
    done = reconcile(again.databases, {0: 0}, again.blobs, again.backup.archive)
    again.users = cluster.users
    assert (done.damaged, done.missing) == ([], [])
    assert [again.differences(user) for user in again.users] == [{}, {}]
    fetched = await synced(again)

    assert fetched == 0
    assert index(again) == before
    assert [again.differences(user) for user in again.users] == [{}, {}]
    again.databases.close()


@pytest.mark.parametrize("ends", ["stops", "is killed"])
async def test_in_the_first_minute_a_rebuild_knows_every_mailbox_and_fetches_nothing_again(
    cluster: Cluster, new_pair: Callable[[], tuple[str, ...]], ends: str
) -> None:
    owner, _ = await cluster.owner()
    for user in cluster.users:
        await owner.request(user, Mode.INCREMENTAL)

    async def some() -> bool:
        return owner.measures()["committed_messages_total"] > 0

    await until(some)
    if ends == "stops":
        await owner.close()
    else:  # nothing is rolled up on the way
        names = [blob.name for blob in cluster.blobs.list("")]
        owner._end(BackupError("killed"))
        assert any(name.endswith(ROLLUP_SUFFIX) for name in names)
    stored = {(row[0], row[1]) for row in index(cluster)}
    assert stored

    again = lost(cluster, new_pair)
    done = reconcile(again.databases, {0: 0}, again.blobs, again.backup.archive)
    again.users = [again.add(user.email) for user in cluster.users]

    assert (done.unnamed, done.damaged) == ([], [])
    assert again.users == cluster.users
    assert {(row[0], row[1]) for row in index(again)} >= stored
    held = sum(len(again.simulator.held(user.email)) for user in again.users)
    kept = len(index(again))
    assert await synced(again) <= held - kept
    assert [again.differences(user) for user in again.users] == [{}, {}]
    again.databases.close()


async def test_an_owner_that_stops_leaves_the_archive_whole(
    cluster: Cluster, new_pair: Callable[[], tuple[str, ...]]
) -> None:
    await synced(cluster)
    change(cluster)
    await synced(cluster)
    before = index(cluster)

    again = lost(cluster, new_pair)
    done = reconcile(again.databases, {0: 0}, again.blobs, again.backup.archive)

    assert (done.relisted, done.unnamed) == (0, [])
    assert index(again) == before
    again.databases.close()
