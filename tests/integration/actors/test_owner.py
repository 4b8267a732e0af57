"""An owner with real Postgres, real files, and the simulator over real HTTP."""

import asyncio

import pytest

from actors.decisions import Mode
from jobs.processing import write_segment
from storage.catalog import leases
from storage.catalog.compaction import Compactions
from storage.catalog.leases import LeaseLost
from storage.control.accounts import MailboxPaused
from storage.model.records import Phase
from storage.model.schemas import FETCHED
from storage.segments.file_names import ROLLUP_SUFFIX, SUFFIXES
from tests.integration.actors.conftest import Cluster, Simulator, until


async def test_a_full_sync_brings_every_message_to_the_byte(cluster: Cluster, simulator: Simulator) -> None:
    owner, _ = await cluster.owner()

    for user in cluster.users:
        await owner.request(user, Mode.FULL)
    for user in cluster.users:
        await cluster.quiet(owner, user)

    measures = owner.measures()
    assert measures["committed_messages_total"] == sum(len(simulator.held(user.email)) for user in cluster.users)
    assert measures["spent_units_total"] > 5 * measures["committed_messages_total"]
    assert (measures["calls"], measures["static_share"]) == (0, 0)
    largest = 0
    for user in cluster.users:
        held = simulator.held(user.email)
        state = cluster.reader(user).state()
        assert state is not None and (state.phase, state.messages) == (Phase.CURRENT, len(held))
        assert cluster.differences(user) == {}
        largest = max(largest, *(found["size"] for found in held.values()))
    assert largest > 15_000_000
    damaged = [found for user in cluster.users for found in cluster.reader(user).defective(50)]
    assert len(damaged) >= 3 and all(found["defects"] for found in damaged)


async def test_an_incremental_sync_brings_new_mail_labels_and_deletions(cluster: Cluster, simulator: Simulator) -> None:
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    await owner.request(user, Mode.FULL)
    await cluster.quiet(owner, user)
    relabelled, deleted = list(simulator.held(user.email))[:2]

    new = simulator.ask(f"users/{user.email}/messages", b"Subject: just in\r\n\r\nhello\r\n")
    simulator.act(user.email, f"messages/{relabelled:x}/labels", add=["STARRED"], remove=["UNREAD"])
    simulator.act(user.email, f"messages/{deleted:x}/delete")
    await owner.request(user, Mode.INCREMENTAL)
    await cluster.quiet(owner, user)

    reader = cluster.reader(user)
    starred, gone = reader.email(relabelled), reader.email(deleted)
    assert reader.raw(int(new["id"], 16)) == b"Subject: just in\r\n\r\nhello\r\n"
    assert starred is not None and "STARRED" in starred.summary.labels and "UNREAD" not in starred.summary.labels
    assert gone is not None and gone.summary.deleted_at is not None
    assert cluster.differences(user) == {}


@pytest.mark.slow
async def test_a_gmail_that_fails_every_fifth_call_loses_nothing(cluster: Cluster, simulator: Simulator) -> None:
    owner, _ = await cluster.owner()
    user = cluster.users[1]
    simulator.misbehave(rate=0.2)

    await owner.request(user, Mode.FULL)
    await cluster.quiet(owner, user)
    simulator.misbehave()
    failed = await asyncio.to_thread(cluster.catalog.failed, user.shard_id)

    missing = {message_id for message_id, why in cluster.differences(user).items() if why == "missing"}
    assert missing == {item.message_id for item in failed}
    assert cluster.phase(user) is Phase.CURRENT


async def test_a_revoked_grant_stops_only_its_mailbox_until_it_is_renewed(
    cluster: Cluster, simulator: Simulator
) -> None:
    owner, _ = await cluster.owner()
    revoked, other = cluster.users
    simulator.act(revoked.email, "revoke")

    for user in (revoked, other):
        await owner.request(user, Mode.FULL)
        await cluster.quiet(owner, user)

    async def recorded() -> bool:
        return cluster.phase(revoked) is Phase.REVOKED

    await until(recorded)
    state = cluster.reader(revoked).state()
    assert state is not None
    assert state.error is not None and f"gbm accounts login {revoked.email}" in state.error
    assert cluster.phase(other) is Phase.CURRENT

    simulator.act(revoked.email, "restore")
    cluster.add(revoked.email)
    await owner.request(revoked, Mode.INCREMENTAL)
    await cluster.quiet(owner, revoked)

    assert cluster.differences(revoked) == {}
    state = cluster.reader(revoked).state()
    assert state is not None and (state.phase, state.error) == (Phase.CURRENT, None)


async def test_an_owner_that_lost_its_lease_ends(cluster: Cluster) -> None:
    owner, _ = await cluster.owner()
    leases.acquire(cluster.catalog.engine, 0, "somebody else", "test", 60)

    async def ended() -> bool:
        return owner.failure is not None

    await until(ended)

    with pytest.raises(LeaseLost):
        await owner.request(cluster.users[0], Mode.FULL)
    assert cluster.reader(cluster.users[0]).state() is None


async def test_the_next_owner_sweeps_what_was_never_committed(cluster: Cluster) -> None:
    first, _ = await cluster.owner()
    row = {
        "user_id": cluster.users[0].user_id,
        "message_id": 1,
        "thread_id": 1,
        "history_id": 1,
        "received_at": 0,
        "labels": [],
        "snippet": "",
        "raw": b"Subject: orphan\r\n\r\n",
    }
    manifest, _ = write_segment(cluster.backup.archive, 0, 1, [FETCHED.empty_table().from_pylist([row], FETCHED)])
    assert manifest is not None
    await first.close()

    _, swept = await cluster.owner()

    assert len(swept) == len(SUFFIXES) and all(name.startswith(manifest.name) for name in swept)
    assert list(cluster.blobs.list("0000")) == []


async def test_a_stopped_mailbox_stays_stopped_and_goes_on_when_asked(cluster: Cluster, simulator: Simulator) -> None:
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    simulator.misbehave(latency_ms=1000)
    await owner.request(user, Mode.FULL)

    async def some_landed() -> bool:
        state = await asyncio.to_thread(cluster.reader(user).state)
        return state is not None and state.messages > 0

    await until(some_landed)
    await owner.stop_mailbox(user.user_id)
    await cluster.quiet(owner, user)

    assert cluster.phase(user) is Phase.STOPPED
    assert "missing" in cluster.differences(user).values()

    simulator.misbehave()
    await owner.request(user, Mode.INCREMENTAL)
    await cluster.quiet(owner, user)

    assert cluster.differences(user) == {}
    assert cluster.phase(user) is Phase.CURRENT


@pytest.mark.slow
async def test_a_paused_mailbox_rests_under_every_owner_until_it_is_resumed(
    cluster: Cluster, simulator: Simulator
) -> None:
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    simulator.misbehave(latency_ms=1000)
    await owner.request(user, Mode.FULL)
    cluster.control.pause(user.user_id, True)
    await owner.pause_mailbox(user.user_id)
    with pytest.raises(MailboxPaused):
        await owner.request(user, Mode.INCREMENTAL)
    await owner.close()
    simulator.misbehave()

    heir, _ = await cluster.owner()  # whether or not the one before had committed that it was stopped
    with pytest.raises(MailboxPaused):
        await heir.request(user, Mode.FULL)
    await cluster.quiet(heir, user)
    assert cluster.phase(user) is not Phase.CURRENT
    other = cluster.users[1]
    await heir.request(other, Mode.FULL)
    await cluster.quiet(heir, other)
    assert cluster.differences(other) == {}

    cluster.control.pause(user.user_id, False)
    await heir.unpause_mailbox(user.user_id)
    await heir.request(user, Mode.INCREMENTAL)
    await cluster.quiet(heir, user)
    assert cluster.differences(user) == {}
    assert cluster.phase(user) is Phase.CURRENT


async def test_small_segments_are_merged_beside_the_sync_and_nothing_is_lost(
    cluster: Cluster, simulator: Simulator
) -> None:
    archive = cluster.backup.archive.model_copy(
        update={"segment_messages": 25, "open_segments": 4, "retired_grace_s": 1.0}
    )
    cluster.backup = cluster.backup.model_copy(update={"archive": archive})
    owner, _ = await cluster.owner()
    compactions = Compactions(cluster.catalog.engine)

    for user in cluster.users:
        await owner.request(user, Mode.FULL)
    for user in cluster.users:
        await cluster.quiet(owner, user)

    live: list[str] = []

    async def merged() -> bool:
        live[:] = [segment.name for segment in await asyncio.to_thread(compactions.live, 0)]
        return len(live) <= 4

    await until(merged, progress=lambda: tuple(live))  # merges run at the lowest priority: others' load delays them
    stored = sum(segment.messages for segment in compactions.live(0))
    assert stored == sum(len(simulator.held(user.email)) for user in cluster.users) > 4 * 25, "more segments than stay"
    for user in cluster.users:
        assert cluster.differences(user) == {}
        state = cluster.reader(user).state()
        assert state is not None
        assert cluster.reader(user).top_senders(1000) and state.messages == len(simulator.held(user.email))

    done = await owner.compact(wait=True)
    assert len(compactions.live(0)) == 1
    assert sum(one.messages for one in done[-1:]) == sum(len(simulator.held(user.email)) for user in cluster.users)
    assert await owner.compact(wait=True) == []

    def files() -> int:
        return sum(not blob.name.endswith(ROLLUP_SUFFIX) for blob in cluster.blobs.list("0000"))

    async def swept() -> bool:
        return files() == len(SUFFIXES)

    await until(swept, progress=files)
    assert all(cluster.differences(user) == {} for user in cluster.users)


async def test_an_owner_that_lost_its_lease_compacts_nothing(cluster: Cluster) -> None:
    owner, _ = await cluster.owner()
    leases.acquire(cluster.catalog.engine, 0, "somebody else", "test", 60)

    with pytest.raises(LeaseLost):
        await owner.compact(wait=True)
    with pytest.raises(LeaseLost):
        await owner.compact(wait=True)


@pytest.mark.parametrize("turns", range(5))
async def test_an_owner_ends_although_news_come_in_that_very_moment(cluster: Cluster, turns: int) -> None:
    owner, _ = await cluster.owner()
    await owner.request(cluster.users[1], Mode.FULL)  # from now on it waits with a time to wake at
    await cluster.quiet(owner, cluster.users[1])

    owner._wake.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.wait_for(owner.close(), 20)

    assert not owner._tasks
