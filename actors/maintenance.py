"""Maintains one shard's files beside its sync: compaction, sweeps, roll-ups. One operation at a time.

The owner (actors/owner.py) runs it under its lease and reports commits. actors/compaction.py decides what is merged;
a task (`Work.compact`) merges; this module commits. Commits of new segments never wait for a merge.
wait for either.
"""

import asyncio
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from actors.compaction import Compactor, choose_all
from actors.work import Work
from jobs.reanalysis import NoSuchAnalyser
from storage.catalog.catalog import AnalysisOutdated, Catalog
from storage.catalog.compaction import Compactions
from storage.catalog.leases import Lease, LeaseLost
from storage.config import ArchiveConfig
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.model.records import AnalysedSegment, LiveSegment, Merged
from storage.recovery.rollup_writer import RolledUp, roll_up
from storage.segments.garbage_collection import sweep

_LOG = logging.getLogger(__name__)

#: Seconds between two sweeps if no file is known to wait for one.
_SWEEP_EVERY_S = 3600.0
#: Seconds within which replaced files are deleted by one sweep.
_TOGETHER_S = 60.0
#: Seconds within which a new owner makes its first roll-up.
_FIRST_ROLL_UP_S = 60.0
#: Minimum seconds between two roll-ups for new mailboxes.
_NAME_EVERY_S = 10.0
#: Seconds from a first commit, or the end of a first listing, to a roll-up.
_SOON_S = 1.0
#: Maximum seconds for the last roll-up of a stopping owner.
_LAST_ROLL_UP_S = 15.0
#: Seconds before a commit is retried that Postgres did not accept; doubles.
_FIRST_REPEAT_S, _LONGEST_REPEAT_S = 1.0, 30.0


@dataclass(slots=True)
class _Analysing:
    """A request for analysis. tried: segments attempted; done: number of segments with a new analysis."""

    only: tuple[str, ...]
    user_ids: Sequence[int] | None
    result: "asyncio.Future[int]"
    tried: set[str] = field(default_factory=set)
    done: int = 0


@dataclass(frozen=True, slots=True)
class Compacted:
    """One committed merge.

    segment: the new one, with its messages and bytes of mail; parts: number of merged segments.
    stored_bytes: of its files. excluded: (segment, reason) left out; damaged: messages whose bytes were damaged before.
    """

    segment: str | None
    parts: int
    messages: int
    size_bytes: int
    stored_bytes: int
    excluded: tuple[tuple[str, str], ...]
    damaged: int


class Maintenance:
    """Maintains the files of one shard during its owner's life."""

    def __init__(
        self,
        lease: Lease,
        archive: ArchiveConfig,
        work: Work,
        catalog: Catalog,
        blobs: LocalBlobs,
        clock: Callable[[], float],
        storing: Callable[[], bool],
    ) -> None:
        """`storing`: whether a segment is being written, or waits for its commit."""
        self._lease, self._archive, self._work, self._clock, self._storing = lease, archive, work, clock, storing
        self._catalog, self._blobs = catalog, blobs
        self._compactions = Compactions(catalog.engine)
        self._compactor = Compactor(archive, clock())
        self._wanted: list[asyncio.Future[list[Compacted]]] = []
        self._analyses: list[_Analysing] = []
        self._rolling = threading.Lock()  # of threads, which continue after their task is cancelled
        self._named: set[int] = set()  # mailboxes whose address a roll-up of this owner holds
        self._name_at = clock()  # when the next roll-up for new mailboxes may be written
        # Soon, so that a short-lived owner rolls up, too; spread, because shards start together.
        self._roll_up_at = clock() + min(_FIRST_ROLL_UP_S, archive.rollup_s) * (0.5 + lease.shard_id * 0.309 % 0.5)
        # Files that earlier owners superseded are deletable by then: a cluster may never run for an hour.
        self._sweep_at = clock() + min(archive.retired_grace_s + 1.0, _SWEEP_EVERY_S)
        self._deletable_at: deque[float] = deque()  # when no reader can use superseded files; ascending
        self._wake = asyncio.Event()

    def notify(self) -> None:
        """A segment was committed."""
        self._compactor.notify()
        self._wake.set()

    def compact(self) -> "asyncio.Future[list[Compacted]]":
        """Merge into as few segments as possible, soon; returns the merges."""
        wanted: asyncio.Future[list[Compacted]] = asyncio.get_running_loop().create_future()
        self._wanted.append(wanted)
        self._wake.set()
        return wanted

    def analyse(self, only: Sequence[str], user_ids: Sequence[int] | None) -> "asyncio.Future[int]":
        """Analyse segments without an analysis, one at a time; returns their number.

        Args:
            only: the analysers to run; none: all.
            user_ids: only segments with mail of these users; None: all.

        Raises:
            NoSuchAnalyser.
        """
        if unknown := {*only} - {*(self._work.analysers.versions if self._work.analysers else ())}:
            raise NoSuchAnalyser(sorted(unknown)[0])
        result: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._analyses.append(_Analysing(tuple(only), user_ids, result))
        self._wake.set()
        return result

    async def sweep(self) -> list[str]:
        """Delete unreferenced files; returns the names of the orphans among them."""
        # A segment that waits long for Postgres would look like an orphan of this epoch.
        grace_s = float("inf") if self._storing() else self._archive.orphan_grace_s
        graces = grace_s, self._archive.retired_grace_s
        return await asyncio.to_thread(sweep, self._blobs, self._catalog, self._lease, self._clock(), *graces)

    async def roll_up(self) -> RolledUp | None:
        """Write new state that is only in Postgres to a file; None if there is none."""
        return await asyncio.to_thread(self._roll_up)

    def _roll_up(self) -> RolledUp | None:
        with self._rolling:
            return roll_up(self._catalog.engine, self._blobs, self._lease)

    async def name(self, mailboxes: Collection[int], known: Iterable[int]) -> None:
        """Write the addresses of new mailboxes to the archive, before a segment with their first mail is committed.

        Otherwise a rebuild in the first hour would find mail of a user without an address. An error does not delay
        mail: the next commit retries.

        Args:
            known: every mailbox of the shard that is in Postgres.
        """
        if self._named.issuperset(mailboxes):
            return
        if self._name_at <= self._clock():  # one file serves many new mailboxes
            self._name_at = self._clock() + _NAME_EVERY_S
            names = {*known}
            if await self._rolled_up():
                self._named |= names
        self.roll_up_soon()

    def roll_up_soon(self) -> None:
        """Roll up soon, because a rebuild needs the state that changed."""
        self._roll_up_at = min(self._roll_up_at, max(self._name_at, self._clock() + _SOON_S))
        self._wake.set()

    async def close(self) -> None:
        """Roll up for the last time, because the owner stops, so that the archive is complete."""
        try:
            await asyncio.wait_for(self._rolled_up(), _LAST_ROLL_UP_S)
        except (LeaseLost, TimeoutError) as exc:
            _LOG.warning("Shard %d ends without a last roll-up: %s", self._lease.shard_id, exc or "it took too long")

    async def run(self) -> None:
        """For ever.

        Raises:
            LeaseLost.
        """
        try:
            while True:
                self._wake.clear()
                if self._wanted:
                    await self._compact_all()
                elif self._roll_up_at <= self._clock():
                    await self._roll_up_again()
                elif (look_at := self._compactor.look_at()) is not None and look_at <= self._clock():
                    await self._compact_some()
                elif self._sweep_at <= self._clock():
                    await self._sweep_again()
                elif self._analyses:
                    await self._analyse_one(self._analyses[0])
                else:
                    due = min(self._sweep_at, self._roll_up_at)
                    await self._rest(due if look_at is None else min(due, look_at))
        finally:
            for wanted in self._wanted:
                wanted.cancel()
            for analysing in self._analyses:
                analysing.result.cancel()

    async def _rest(self, until: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), max(until - self._clock(), 0.0))
        except TimeoutError:
            return

    async def _sweep_again(self) -> None:
        now = self._clock()
        while self._deletable_at and self._deletable_at[0] <= now:
            self._deletable_at.popleft()
        self._sweep_at = self._deletable_at[0] if self._deletable_at else now + _SWEEP_EVERY_S
        try:
            await self.sweep()
        except LeaseLost:
            raise
        except BackupError as exc:
            _LOG.warning("Shard %d could not sweep its files: %s", self._lease.shard_id, exc)

    async def _roll_up_again(self) -> None:
        self._roll_up_at = self._clock() + self._archive.rollup_s
        await self._rolled_up()

    async def _rolled_up(self) -> bool:
        """Whether the archive has all state of Postgres."""
        try:
            await self.roll_up()
        except LeaseLost:
            raise
        except (BackupError, OSError) as exc:  # a full disk must not end the sync of the shard
            _LOG.warning("Shard %d could not roll its label events up: %s", self._lease.shard_id, exc)
            return False
        return True

    async def _compact_some(self) -> None:
        try:
            live, superseded_bytes = await self._live(), await self._superseded_bytes()
            chosen = self._compactor.choose(live, superseded_bytes, self._clock())
            if not chosen:
                return
            await self._merge(chosen)
        except LeaseLost:
            raise
        except BackupError as exc:
            _LOG.warning("Shard %d could not compact: %s", self._lease.shard_id, exc)
            self._compactor.failed(self._clock())
        else:
            self._compactor.merged()

    async def _compact_all(self) -> None:
        """Merge all that can be merged, for all requests that wait now."""
        waiting, self._wanted = self._wanted, []
        done: list[Compacted] = []
        try:
            await asyncio.to_thread(self._compactions.readmit, self._lease)
            while chosen := choose_all(await self._live(), self._archive):
                done.append(await self._merge(chosen))
        except BackupError as exc:
            for request in waiting:
                if not request.done():
                    request.set_exception(exc)
            if isinstance(exc, LeaseLost):
                raise
        else:
            for request in waiting:
                if not request.done():
                    request.set_result(done)
        finally:
            for request in waiting:
                request.cancel()  # only where this task itself was cancelled: a finished future does not change

    async def _analyse_one(self, asked: _Analysing) -> None:
        """Analyse the next segment. A merged segment has another name, and is visited again under that name."""
        try:
            segments = await asyncio.to_thread(self._catalog.analysed, self._lease.shard_id, asked.user_ids)
            analysers = self._work.analysers
            for segment in segments:
                names = analysers.outdated(segment.versions, asked.only) if analysers else []
                if names and segment.name not in asked.tried and not asked.result.done():
                    asked.tried.add(segment.name)
                    await self._reanalyse(segment, names)
                    asked.done += 1
                    return
        except (AnalysisOutdated, FileDamaged) as exc:
            _LOG.warning("Shard %d passes a segment over: %s", self._lease.shard_id, exc)
            return
        except BackupError as exc:
            self._analyses.remove(asked)
            if not asked.result.done():
                asked.result.set_exception(exc)
            if isinstance(exc, LeaseLost):
                raise
            return
        self._analyses.remove(asked)
        if not asked.result.done():
            asked.result.set_result(asked.done)

    async def _reanalyse(self, segment: AnalysedSegment, names: Sequence[str]) -> None:
        new = await self._work.analyse(self._lease.epoch, segment.name, segment.analysis, names)
        await self._until_known(
            lambda: self._catalog.reanalysed(self._lease, segment.name, segment.analysis, new), "an analysis"
        )
        self._superseded()

    def _superseded(self) -> None:
        """Schedule a sweep for superseded files after their grace period, together with those of the same minute."""
        grace_s = self._archive.retired_grace_s
        width_s = min(_TOGETHER_S, grace_s / 10)
        deletable_at = math.ceil((self._clock() + grace_s + 1.0) / width_s) * width_s
        if not self._deletable_at or deletable_at > self._deletable_at[-1]:
            self._deletable_at.append(deletable_at)
        self._sweep_at = min(self._sweep_at, self._deletable_at[0])

    async def _superseded_bytes(self) -> int:
        shard_id, grace_s = self._lease.shard_id, self._archive.retired_grace_s
        return await asyncio.to_thread(self._compactions.superseded_bytes, shard_id, grace_s)

    async def _live(self) -> list[LiveSegment]:
        return await asyncio.to_thread(self._compactions.live, self._lease.shard_id)

    async def _merge(self, chosen: list[LiveSegment]) -> Compacted:
        segments = {segment.name: segment.analysis for segment in chosen}
        merged, reference = await self._work.compact(self._lease.shard_id, self._lease.epoch, segments)
        await self._commit(merged, await self._work.table(reference))
        self._superseded()
        for name, reason in merged.excluded:
            _LOG.error("Shard %d: segment %s is left out of compaction: %s", self._lease.shard_id, name, reason)
        if merged.damaged:
            shown = ", ".join(f"{user_id}/{message_id:x}" for user_id, message_id in merged.damaged[:10])
            _LOG.error("Shard %d: %d messages are damaged: %s", self._lease.shard_id, len(merged.damaged), shown)
        return _compacted(merged)

    async def _commit(self, merged: Merged, moved: pa.Table) -> None:
        await self._until_known(lambda: self._compactions.commit(self._lease, merged, moved), "a compaction")

    async def _until_known(self, commit: Callable[[], bool], what: str) -> None:
        """Commit until the outcome is known; a repetition has no effect."""
        pause_s = _FIRST_REPEAT_S
        while True:
            try:
                await asyncio.to_thread(commit)
            except DatabaseUnreachable as exc:
                _LOG.warning("Shard %d repeats the commit of %s: %s", self._lease.shard_id, what, exc)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_REPEAT_S)
            else:
                return


def _compacted(merged: Merged) -> Compacted:
    segment = merged.segment
    return Compacted(
        segment=segment.name if segment else None,
        parts=len(merged.parts),
        messages=segment.messages if segment else 0,
        size_bytes=segment.size_bytes if segment else 0,
        stored_bytes=segment.raw_bytes + segment.parquet_bytes if segment else 0,
        excluded=merged.excluded,
        damaged=len(merged.damaged),
    )
