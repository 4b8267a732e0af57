"""The shell of a shard: holds the lease, carries out the shard's decisions, and reports their outcomes to it.

One process owns a shard at a time (storage/catalog/leases.py). An owner that lost its lease stops at once; the next
owner repeats its uncommitted work. Blocking work runs in threads, so that one slow call never stalls the others.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from actors.announcer import Announcer
from actors.budget import Broker, BrokerSilent, lease_s
from actors.calls import Calls
from actors.config import BackupConfig
from actors.decisions import Call, CommitNow, Decision, Mode, Write
from actors.errors import OwnerFailed
from actors.maintenance import Compacted, Maintenance
from actors.quota import ShardQuota
from actors.segment_commits import SegmentCommits
from actors.shard import Shard
from actors.tokens import Tokens
from actors.wait_log import WaitLog
from actors.work import PURPOSE, Work
from storage.catalog import leases
from storage.catalog.catalog import Catalog
from storage.catalog.leases import LeaseLost, ShardMoving
from storage.control.accounts import MailboxPaused
from storage.control.control import Control
from storage.control.wait_reasons import WaitReasons
from storage.errors import BackupError
from storage.files.blobs import LocalBlobs
from storage.model.records import FailedItem, User
from storage.model.wait_reasons import WaitKind, WaitReason
from storage.recovery.rollup_writer import RolledUp

_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)

#: Requests to the quota broker per lease duration, while calls wait for the project's units.
_QUESTIONS_PER_LEASE = 10
#: Seconds after which a task that has not ended is cancelled again.
_CANCEL_AGAIN_S = 0.2
#: Seconds between two checks for changed wait reasons.
_STORE_WAITS_S = 0.5


class ShardOwner:
    """Owns one shard for as long as its lease holds."""

    def __init__(
        self,
        shard_id: int,
        config: BackupConfig,
        work: Work,
        broker: Broker,
        control: Control,
        catalog: Catalog,
        blobs: LocalBlobs,
        tokens: Tokens,
        shards: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open nothing; `start` opens. `shards`: of the cluster. `clock`: seconds since 1970."""
        self._shard_id, self._config, self._clock, self._work, self._broker = shard_id, config, clock, work, broker
        self._calls = Calls(work, tokens, catalog, config.shard.poll.topic)
        self._control, self._catalog, self._blobs, self._shards = control, catalog, blobs, shards
        self._shard: Shard | None = None
        self._maintenance: Maintenance | None = None
        self._wake, self._hungry = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits, self._reasons = WaitLog(shard_id), WaitReasons(control.engine)
        self._announcer = Announcer(control.engine, "owner", config.shard.lease_s)
        self._paused: set[int] = set()  # as in the control database, changed by later requests
        self.failure: BackupError | None = None
        self.culprit: int | None = None  # the mailbox on whose defect this owner ended

    async def start(
        self, here: Callable[[], bool] | None = None, quarantined: Mapping[int, str] = MappingProxyType({})
    ) -> list[str]:
        """Take the lease, sweep files that a crash left, open the shard's mailboxes, begin work.

        Args:
            quarantined: mailboxes on which previous owners failed, with the reason: they are not processed.
            here: whether the map still names this database, called after the lease is taken: a later move fences it.

        Returns:
            The orphan files that were swept.

        Raises:
            LeaseHeld, ShardMoving, DatabaseUnreachable.
            ProgramOutdated: a newer release writes files that this one does not read.
        """
        await asyncio.to_thread(self._announcer.announce)
        owner = f"{self._config.cluster}/{uuid.uuid4().hex}"
        engine, ttl_s = self._catalog.engine, self._config.shard.lease_s
        lease = await asyncio.to_thread(leases.acquire, engine, self._shard_id, owner, self._config.cluster, ttl_s)
        if here is not None and not await asyncio.to_thread(here):  # it moved before the lease was taken
            await asyncio.to_thread(leases.release, engine, lease)
            raise ShardMoving(self._shard_id)
        quota = ShardQuota(self._config.gmail, self._shards, self._clock(), succeeds=lease.epoch > 1)
        shard = Shard(lease, self._config.shard, self._config.archive, quota)
        parts = (self._work, self._catalog, self._blobs, self._clock)
        maintenance = Maintenance(lease, self._config.archive, *parts, lambda: shard.storing)
        swept = await maintenance.sweep()
        failed: dict[int, list[FailedItem]] = {}
        for item in await asyncio.to_thread(self._catalog.failed, self._shard_id):
            failed.setdefault(item.user_id, []).append(item)
        for record in await asyncio.to_thread(self._catalog.mailboxes, self._shard_id):
            shard.open(record, failed.get(record.user_id, ()), self._clock())
        for user_id, reason in quarantined.items():
            if (mailbox := shard.mailbox(user_id)) is not None:
                mailbox.quarantine(reason)
                shard.stop(user_id)
        self._paused = await asyncio.to_thread(self._control.paused, self._shard_id)
        for user_id in self._paused:
            self._waits.waits(user_id, WaitKind.PAUSED, "its backup was paused", self._clock())
            if shard.mailbox(user_id) is not None:
                shard.stop(user_id)
        self._shard, self._maintenance = shard, maintenance
        commits = SegmentCommits(shard, maintenance, self._work, self._catalog, self._blobs, self._waits, self._clock)
        self._spawn(self._run(shard, commits))
        for loop in (self._keep_budget, self._keep_lease, self._keep_waits):
            self._spawn(loop(shard))
        self._spawn(self._announcer.keep())
        self._spawn(maintenance.run())
        return swept

    async def close(self) -> None:
        """Stop, and release the lease; uncommitted work is left to the next owner."""
        while self._tasks:  # before Python 3.12 `wait_for` swallows a cancellation that meets its result: cancel again
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(list(self._tasks), timeout=_CANCEL_AGAIN_S)
        if self._shard is not None:
            if self._maintenance is not None and self.failure is None:
                await self._maintenance.close()
            await asyncio.to_thread(leases.release, self._catalog.engine, self._shard.lease)
            self._shard = None
            await asyncio.to_thread(self._announcer.leave)

    async def request(self, user: User, mode: Mode) -> None:
        """Begin a sync of a mailbox of this shard; a new mailbox is opened.

        Raises:
            MailboxPaused.
            LeaseLost: this owner has ended; call again, its successor answers.
        """
        shard = self._live()
        if user.user_id in self._paused:
            raise MailboxPaused(user.email)
        record = await asyncio.to_thread(self._catalog.open_mailbox, self._shard_id, user.user_id, user.email)
        self._live()  # the owner may have ended meanwhile
        if user.user_id in self._paused:  # the mailbox may have been paused meanwhile
            raise MailboxPaused(user.email)
        shard.open(record, (), self._clock())
        shard.request(user.user_id, mode, self._clock())
        self._wake.set()

    async def retry_failed(self, user: User) -> None:
        """Retry a mailbox's failed messages now, and recheck suspect deletions.

        Raises:
            MailboxPaused.
            LeaseLost: this owner has ended; ask again.
        """
        await self.request(user, Mode.INCREMENTAL)
        mailbox = self._live().mailbox(user.user_id)
        assert mailbox is not None
        mailbox.retry_filed(self._clock())
        self._wake.set()

    async def stop_mailbox(self, user_id: int) -> None:
        """Make no further calls for a mailbox until the next request."""
        shard = self._live()
        if shard.mailbox(user_id) is not None:
            shard.stop(user_id)
            self._wake.set()

    async def pause_mailbox(self, user_id: int) -> None:
        """Stop a mailbox until it is unpaused. The caller has stored the pause (`Control`)."""
        self._paused.add(user_id)
        self._waits.waits(user_id, WaitKind.PAUSED, "its backup was paused", self._clock())
        await self.stop_mailbox(user_id)

    async def unpause_mailbox(self, user_id: int) -> None:
        """Accept requests for a mailbox again."""
        self._live()
        self._paused.discard(user_id)
        self._waits.ends(user_id, WaitKind.PAUSED)

    async def compact(self, wait: bool) -> list[Compacted]:
        """Merge the shard's segments into as few as possible, soon. The result is reported only to a caller that waits.

        Raises:
            LeaseLost: this owner has ended; ask again.
        """
        self._live()
        assert self._maintenance is not None
        return await self._completion(self._maintenance.compact(), wait, [])

    async def analyse(self, only: Sequence[str], user_ids: Sequence[int] | None, wait: bool) -> int:
        """Analyse the shard's unanalysed segments, soon; return their number to a caller that waits.

        Args:
            only: the analysers to run; none: all.
            user_ids: only segments with mail of these users.

        Raises:
            NoSuchAnalyser.
            LeaseLost: this owner has ended; call again to continue with the rest.
        """
        self._live()
        assert self._maintenance is not None
        return await self._completion(self._maintenance.analyse(only, user_ids), wait, 0)

    async def _completion(self, request: "asyncio.Future[_T]", wait: bool, otherwise: _T) -> _T:
        """The result of a maintenance request, or `otherwise` at once.

        Raises:
            LeaseLost: this owner ended meanwhile.
        """
        if not wait:
            request.add_done_callback(lambda done: done.cancelled() or done.exception())  # marks a failure as seen
            return otherwise
        try:
            return await request
        except asyncio.CancelledError:
            self._live()
            raise

    async def roll_up(self) -> RolledUp | None:
        """Write the shard's state that is only in Postgres, if it changed, to a file of the archive; None: unchanged.

        Raises:
            LeaseLost: this owner has ended; ask again.
        """
        self._live()
        assert self._maintenance is not None
        return await self._maintenance.roll_up()

    def status(self, user_id: int) -> dict[str, Any] | None:
        """This owner's work on a mailbox: {phase, active, estimate, error, fetched, …}; None: nothing."""
        mailbox = self._live().mailbox(user_id)
        if mailbox is None:
            return None
        return {**mailbox.status(), "waits": [reason.as_json() for reason in self._waits.of(user_id)]}

    def lend(self, user_id: int, method: str) -> float:
        """As `ShardQuota.lend`. Raises LeaseLost: this owner has ended; ask again."""
        shard = self._live()
        wait_s = shard.lend(user_id, method, self._clock())
        if shard.quota.wanting:
            self._hungry.set()
        return wait_s

    def repaid(self, user_id: int, method: str) -> None:
        """Record the end of a call of another process."""
        self._live().quota.repaid(user_id, method, self._clock())

    def slow_down(self, user_id: int, scope: str, seconds: float) -> None:
        """Pause, because Gmail asked another process for it."""
        self._live().quota.pause(user_id, scope, seconds, self._clock())

    def measures(self) -> dict[str, float]:
        """Metrics of this owner; those named `…_total` only grow while it lives."""
        shard = self._live()
        return {**shard.measures(), **shard.quota.measures(self._clock())}

    # ---- loops

    async def _run(self, shard: Shard, commits: SegmentCommits) -> None:
        while self.failure is None:
            now = self._clock()
            for decision in shard.decide(now):
                self._spawn(self._carry_out(shard, commits, decision))
            if shard.quota.wanting:
                self._hungry.set()
            wake_at = shard.wake_at(now)
            timeout = None if wake_at is None else max(wake_at - self._clock(), 0.0)
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except TimeoutError:
                continue
            self._wake.clear()

    async def _keep_budget(self, shard: Shard) -> None:
        """Request units from the broker while calls wait for them; a silent broker delays nothing else."""
        while self.failure is None:
            await self._hungry.wait()
            self._hungry.clear()
            demand = shard.quota.demand(shard.waiting, self._clock())
            wait_s = lease_s(self._config.gmail) / _QUESTIONS_PER_LEASE
            try:
                if (seconds := shard.quota.refused_s()) is not None:
                    await self._broker.throttled(seconds)
                grant = await self._broker.lease(self._shard_id, demand)
            except BrokerSilent as exc:
                _LOG.warning("Shard %d: %s", self._shard_id, exc)
                shard.quota.silent(self._clock(), demand)
            else:
                shard.quota.granted(grant.units, self._clock(), grant.spent_until)
                wait_s = max(self._waits.paced(grant, self._clock()), wait_s)
            self._wake.set()
            await asyncio.sleep(wait_s)

    async def _keep_lease(self, shard: Shard) -> None:
        ttl_s = self._config.shard.lease_s
        while True:
            await asyncio.sleep(ttl_s / 3)
            try:
                await asyncio.to_thread(leases.renew, self._catalog.engine, shard.lease, ttl_s)
            except LeaseLost:
                raise
            except BackupError as exc:  # commits are fenced: a late renewal risks nothing
                _LOG.warning("Shard %d could not renew its lease: %s", self._shard_id, exc)

    async def _keep_waits(self, shard: Shard) -> None:
        """Store the wait reasons, also if there is nothing else to commit."""

        def write(reasons: list[WaitReason]) -> Coroutine[Any, Any, None]:
            return asyncio.to_thread(self._reasons.replace, self._shard_id, shard.lease.epoch, reasons)

        while self.failure is None:
            self._waits.unbegun(await self._work.unbegun(), self._clock())
            self._waits.late(self._clock())
            await self._waits.store(write, self._clock())
            await asyncio.sleep(_STORE_WAITS_S)

    # ---- decisions

    async def _call(self, shard: Shard, call: Call) -> None:
        self._waits.began(call, self._clock())
        outcome = await self._calls.make(shard, call)
        now = self._clock()
        try:
            shard.on_outcome(call, outcome, now)
        except Exception:
            self.culprit = call.user_id
            raise
        self._waits.ended(call, outcome, now, shard.quota.ready_at(call.user_id, None, now))

    async def _carry_out(self, shard: Shard, commits: SegmentCommits, decision: Decision) -> None:
        PURPOSE.set(decision)  # in this task's own context
        if isinstance(decision, Write):
            await commits.write(decision)
        elif isinstance(decision, CommitNow):
            await commits.commit(decision)
        else:
            await self._call(shard, decision)
        self._wake.set()

    # ---- tasks

    def _live(self) -> Shard:
        if self.failure is not None:
            raise self.failure
        if self._shard is None:
            raise LeaseLost(self._shard_id, 0)
        return self._shard

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            work.close()  # a task that is cancelled before it starts leaves its work unawaited

        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """An unexpected exception ends this owner: it must not continue with a shard in an unknown state."""
        try:
            await work
        except BackupError as exc:
            self._end(exc)
        except Exception as exc:  # noqa: BLE001 - a defect of this program must end the owner, with a log entry
            _LOG.exception("Shard %d ends on a defect", self._shard_id)
            self._end(OwnerFailed(self._shard_id, repr(exc)))

    def _end(self, failure: BackupError) -> None:
        if self.failure is None:
            self.failure = failure
            _LOG.error("Shard %d ends: %s", self._shard_id, failure)
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
