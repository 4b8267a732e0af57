"""Compaction beside an owner: whatever a merge or a commit dies of, it is done again, and nothing is lost."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import pyarrow as pa
import pytest

from actors.decisions import Mode
from actors.maintenance import Maintenance
from actors.work import ThreadWork, WorkLost
from jobs.mime.message import ParsedMessage
from jobs.reanalysis import Analysers, NoSuchAnalyser
from storage.catalog import compaction, leases
from storage.catalog.compaction import Compactions
from storage.catalog.leases import Lease, LeaseLost
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.files.blobs import ArchiveUnusable
from storage.model.records import Merged
from storage.segments.file_names import ROLLUP_SUFFIX
from tests.integration.actors.conftest import Cluster, until


class Unlucky(ThreadWork):
    """Work of which the first merges come to nothing."""

    def __init__(self, cluster: Cluster, failures: Sequence[BackupError]) -> None:
        super().__init__(cluster.backup.gmail, cluster.backup.archive)
        self.failures = list(failures)
        self.merges = 0

    async def compact(self, shard_id: int, epoch: int, segments: Mapping[str, str | None]) -> tuple[Merged, object]:
        self.merges += 1
        if self.failures:
            raise self.failures.pop(0)
        return await super().compact(shard_id, epoch, segments)


async def small_segments(cluster: Cluster) -> None:
    """Back one mailbox up in many small segments, and merge none."""
    archive = cluster.backup.archive.model_copy(
        update={"segment_messages": 20, "compaction": False, "open_segments": 4}
    )
    cluster.backup = cluster.backup.model_copy(update={"archive": archive})
    owner, _ = await cluster.owner()
    await owner.request(cluster.users[0], Mode.FULL)
    await cluster.quiet(owner, cluster.users[0])
    await owner.close()
    assert len(Compactions(cluster.catalog.engine).live(0)) > 4


@asynccontextmanager
async def tending(cluster: Cluster, work: ThreadWork) -> AsyncIterator[tuple[Maintenance, Lease]]:
    """A shard's files, tended by a new owner."""
    lease = leases.acquire(cluster.catalog.engine, 0, "tender", "test", 60)
    archive = cluster.backup.archive.model_copy(update={"compaction": True})
    now = 0.0

    def clock() -> float:
        """A second for every look at it: pauses of seconds take none."""
        nonlocal now
        now += 1.0
        return now

    tended = Maintenance(lease, archive, work, cluster.catalog, cluster.blobs, clock, lambda: False)
    task = asyncio.create_task(tended.run())
    yield tended, lease
    task.cancel()
    with suppress(asyncio.CancelledError, BackupError):
        await task


async def few(cluster: Cluster) -> bool:
    return len(await asyncio.to_thread(Compactions(cluster.catalog.engine).live, 0)) <= 4


@pytest.mark.slow
async def test_a_merge_that_comes_to_nothing_is_done_again(cluster: Cluster) -> None:
    await small_segments(cluster)
    work = Unlucky(cluster, [WorkLost("the worker died"), ArchiveUnusable("file:///", "no space left")])

    async with tending(cluster, work):
        await until(lambda: few(cluster))

    assert work.merges >= 3
    assert cluster.differences(cluster.users[0]) == {}


async def test_a_commit_that_nobody_heard_of_is_repeated_and_counts_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await small_segments(cluster)
    honest = Compactions.commit
    answers: list[bool] = []

    def unheard(self: Compactions, lease: Lease, merged: Merged, moved: object) -> bool:
        answers.append(honest(self, lease, merged, moved))
        if len(answers) == 1:
            raise DatabaseUnreachable("here", "the connection was lost")
        return answers[-1]

    monkeypatch.setattr(compaction.Compactions, "commit", unheard)
    async with tending(cluster, Unlucky(cluster, [])):
        await until(lambda: few(cluster))

        async def repeated() -> bool:
            return len(answers) >= 2

        await until(repeated)

    assert answers[:2] == [True, False]
    assert cluster.differences(cluster.users[0]) == {}


async def test_each_merge_s_files_are_deleted_when_their_own_grace_period_is_over(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = leases.acquire(cluster.catalog.engine, 0, "tender", "test", 60)
    archive, work = cluster.backup.archive, Unlucky(cluster, [])
    now, swept = [0.0], list[float]()

    def sweep(*_: object) -> list[str]:
        swept.append(now[0])
        return []

    monkeypatch.setattr("actors.maintenance.sweep", sweep)
    parts = (work, cluster.catalog, cluster.blobs)
    maintenance = Maintenance(lease, archive, *parts, lambda: now[0], lambda: False)
    for now[0] in (1.0, 30.0, 400.0):
        maintenance._superseded()
    while maintenance._sweep_at < archive.retired_grace_s + 1000.0:
        now[0] = maintenance._sweep_at
        await maintenance._sweep_again()

    assert len(swept) == 3, "those of one minute go together"
    assert swept[0] == archive.retired_grace_s + 1.0, "what earlier owners left"
    assert archive.retired_grace_s + 30.0 < swept[1] <= archive.retired_grace_s + 92.0
    assert archive.retired_grace_s + 400.0 < swept[2] <= archive.retired_grace_s + 462.0


async def test_who_asks_by_hand_is_told_what_went_wrong(cluster: Cluster) -> None:
    await small_segments(cluster)
    cluster.backup = cluster.backup.model_copy(
        update={"archive": cluster.backup.archive.model_copy(update={"open_segments": 1000})}
    )
    work = Unlucky(cluster, [WorkLost("the worker died")])

    async with tending(cluster, work) as (tended, _):
        with pytest.raises(WorkLost):
            await tended.compact()
        done = await tended.compact()

    assert [one.parts > 4 for one in done] == [True]
    assert len(Compactions(cluster.catalog.engine).live(0)) == 1


async def test_an_owner_that_loses_its_lease_stops_tending(cluster: Cluster) -> None:
    await small_segments(cluster)

    async with tending(cluster, Unlucky(cluster, [WorkLost("late")] * 3)) as (tended, _):
        leases.acquire(cluster.catalog.engine, 0, "somebody else", "test", 60)
        with pytest.raises(BackupError):
            await tended.compact()
    assert len(Compactions(cluster.catalog.engine).live(0)) > 4


async def test_what_only_postgres_knows_is_rolled_up_without_being_asked(cluster: Cluster) -> None:
    await small_segments(cluster)

    async def rolled() -> bool:
        return any(file.name.endswith(ROLLUP_SUFFIX) for file in cluster.blobs.list("0000"))

    archive = cluster.backup.archive.model_copy(update={"rollup_s": 1.0})
    cluster.backup = cluster.backup.model_copy(update={"archive": archive})
    async with tending(cluster, ThreadWork(cluster.backup.gmail, archive)):
        await until(rolled)


def lengths(messages: Sequence[ParsedMessage], names: Sequence[str]) -> pa.Table:
    """What each analyser says of messages: the length of their texts."""
    kind = pa.struct([("version", pa.int16()), ("error", pa.string()), ("chars", pa.int32())])
    rows = [{"version": 3, "error": None, "chars": len(one.text)} for one in messages]
    return pa.table({name: pa.array(rows, kind) for name in names})


async def test_segments_are_analysed_one_by_one_and_merges_go_on_between(cluster: Cluster) -> None:
    await small_segments(cluster)
    analysers = Analysers({"length": 3, "size": 3}, lengths)
    work = ThreadWork(cluster.backup.gmail, cluster.backup.archive, analysers)

    async with tending(cluster, work) as (tended, _):
        done = await tended.analyse(["length"], None)
        assert done > 0
        assert {tuple(one.versions.items()) for one in cluster.catalog.analysed(0)} == {(("length", 3),)}
        await tended.compact()
        [live] = cluster.catalog.analysed(0)
        assert live.versions == {"length": 3}, "a merge keeps it"
        assert await tended.analyse(["length"], None) == 0, "it is there already"
        assert await tended.analyse([], [999]) == 0, "nobody's"
        with pytest.raises(NoSuchAnalyser):
            tended.analyse(["lenght"], None)
        assert await tended.analyse([], None) == 1

    [live] = cluster.catalog.analysed(0)
    assert live.versions == {"length": 3, "size": 3}
    assert cluster.differences(cluster.users[0]) == {}


async def test_who_asks_for_an_analysis_of_a_lost_shard_is_told(cluster: Cluster) -> None:
    await small_segments(cluster)
    work = ThreadWork(cluster.backup.gmail, cluster.backup.archive, Analysers({"length": 3}, lengths))

    async with tending(cluster, work) as (tended, _):
        leases.acquire(cluster.catalog.engine, 0, "somebody else", "test", 60)
        with pytest.raises((LeaseLost, asyncio.CancelledError)):  # or a merge saw it first
            await tended.analyse([], None)
    assert {one.analysis for one in cluster.catalog.analysed(0)} == {None}


async def test_a_roll_up_whose_task_was_cancelled_ends_before_the_next_begins(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on, made = threading.Event(), threading.Event(), list[int]()

    def slow(*parts: object) -> None:
        began.set()
        assert go_on.wait(30)
        made.append(len(made))

    lease = leases.acquire(cluster.catalog.engine, 0, "tender", "test", 60)
    parts = ThreadWork(cluster.backup.gmail, cluster.backup.archive), cluster.catalog, cluster.blobs
    tended = Maintenance(lease, cluster.backup.archive, *parts, time.time, lambda: False)
    monkeypatch.setattr("actors.maintenance.roll_up", slow)
    first = asyncio.create_task(tended.roll_up())
    assert await asyncio.to_thread(began.wait, 30)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    began.clear()
    last = asyncio.create_task(tended.close())
    assert not await asyncio.to_thread(began.wait, 0.3), "two at once would take the same number"
    go_on.set()
    await last

    assert made == [0, 1]
