"""Executes a shard's decisions about segments and commits, and reports the outcomes to the shard.

actors/shard_commits.py decides; actors/owner.py runs these in its tasks. At most one commit is in progress.
"""

import asyncio
import logging
from collections.abc import Callable

import pyarrow.compute as pc
from sqlalchemy.exc import DataError, IntegrityError, InternalError, ProgrammingError

from actors.decisions import CommitNow, Write, Written
from actors.maintenance import Maintenance
from actors.segment_buffer import REPEAT_S, WAIT_S
from actors.shard import Shard
from actors.wait_kinds import wait_kind
from actors.wait_log import ARCHIVE, WaitLog
from actors.work import Work, WorkLost
from storage.catalog.catalog import AlreadyStored, Catalog
from storage.catalog.leases import LeaseLost
from storage.errors import BackupError
from storage.files.blobs import LocalBlobs
from storage.files.kept_answers import KeptAnswers, as_answer
from storage.model.message_id import to_hex
from storage.model.storable import storable
from storage.model.wait_reasons import WHOLE_SHARD, WaitKind

_LOG = logging.getLogger(__name__)


class SegmentCommits:
    """Writes one shard's segments and commits them."""

    def __init__(
        self,
        shard: Shard,
        maintenance: Maintenance,
        work: Work,
        catalog: Catalog,
        blobs: LocalBlobs,
        waits: WaitLog,
        clock: Callable[[], float],
    ) -> None:
        """`clock`: seconds since 1970."""
        self._kept = KeptAnswers(blobs)
        self._shard, self._maintenance, self._work, self._catalog = shard, maintenance, work, catalog
        self._waits, self._clock = waits, clock

    async def write(self, write: Write) -> None:
        """Write a segment's files of fetched mail, and report the outcome to the shard."""
        references = [held.reference for held in write.batches]
        lease = self._shard.lease
        try:
            manifest, index = await self._work.write_segment(
                lease.shard_id, lease.epoch, references, write.skip, write.attempt > 1
            )
        except BackupError as exc:
            kind, now = wait_kind(exc) or WaitKind.ARCHIVE_UNUSABLE, self._clock()
            self._waits.waits(WHOLE_SHARD, kind, str(exc), now, now + WAIT_S)
            lost = isinstance(exc, WorkLost) and exc.mail_lost
            # Each message has a limit, so a second timeout means too many bad messages for one task: halve the batch.
            faulty = isinstance(exc, WorkLost) and (
                (exc.reason.startswith("RayTaskError") and "OSError" not in exc.reason)
                or (exc.reason.startswith("no answer") and write.attempt > 1)
            )
            defect = str(exc) if faulty else None
            if faulty and not lost:
                await self._keep_alone(write)
            self._shard.write_failed(write, lost, now, defect, kind in ARCHIVE)
        except (ValueError, ArithmeticError, TypeError, LookupError) as exc:  # errors that a message's value can cause
            _LOG.exception("Shard %d could not write a segment", self._shard.lease.shard_id)
            await self._keep_alone(write)
            self._shard.write_failed(write, False, self._clock(), storable(f"it cannot be stored: {exc!r:.200}"))
        else:
            self._waits.ends(WHOLE_SHARD, *ARCHIVE, WaitKind.NO_WORKER)
            self._shard.written(Written(write, manifest, index))

    async def commit(self, decision: CommitNow) -> None:
        """Commit the shard's decision to its database, and report the outcome to the shard.

        Raises:
            LeaseLost: another owner has the shard.
        """
        try:
            index = None
            if decision.plan.segment is not None and decision.written is not None:
                index = await self._work.table(decision.written.index)
                users = {held.user_id for held in decision.written.write.batches}
                await self._maintenance.name(users, self._shard.user_ids)
            await asyncio.to_thread(self._catalog.commit, decision.plan, index)
        except LeaseLost:
            raise
        except AlreadyStored as exc:
            self._shard.commit_failed(self._clock(), exc.keys)
        except WorkLost as exc:
            _LOG.warning("Shard %d writes a segment again: %s", self._shard.lease.shard_id, exc)
            self._shard.commit_failed(self._clock(), frozenset())
        except (DataError, ProgrammingError, IntegrityError, InternalError, ValueError, ArithmeticError) as exc:
            _LOG.exception("Shard %d has a commit that no database takes", self._shard.lease.shard_id)
            if decision.written is not None:
                await self._keep_alone(decision.written.write)
            reason = str(getattr(exc, "orig", None) or exc).strip().splitlines() or [type(exc).__name__]
            self._shard.commit_refused(storable(f"it cannot be stored: {reason[0][:200]}"), self._clock())
        except BackupError as exc:
            now = self._clock()
            self._waits.waits(WHOLE_SHARD, WaitKind.DATABASE_UNREACHABLE, str(exc), now, now + REPEAT_S)
            self._shard.commit_failed(now)
        else:
            self._waits.ends(WHOLE_SHARD, WaitKind.DATABASE_UNREACHABLE)
            self._shard.committed(self._clock())
            if decision.plan.segment is not None:
                self._maintenance.notify()
                await self._forget(decision)
            if any(update.listed for update in decision.plan.mailboxes):
                self._maintenance.roll_up_soon()

    async def _forget(self, decision: CommitNow) -> None:
        """Delete the kept unreadable answers of messages that are stored now."""
        assert decision.written is not None
        landed = {(held.user_id, key) for held in decision.written.write.batches for key in held.message_ids}
        for user_id, message_id in landed.intersection(decision.plan.settled):
            try:
                await asyncio.to_thread(self._kept.forget, user_id, message_id)
            except OSError as exc:  # the mail is stored: a remaining file costs only disk space
                _LOG.warning("A kept answer of message %x could not be deleted: %s", message_id, exc)

    async def _keep_alone(self, write: Write) -> None:
        """Keep the bytes of a single message that is about to be filed because it cannot be stored."""
        alone = [
            (held, key) for held in write.batches for key in held.message_ids if (held.user_id, key) not in write.skip
        ]
        if len(alone) != 1:
            return
        [(held, message_id)] = alone
        try:
            table = await self._work.table(held.reference)
            rows = table.filter(pc.equal(table["message_id"], message_id))
            answer = as_answer(rows.to_pylist()[0])
            await asyncio.to_thread(self._kept.keep, held.user_id, message_id, answer)
        except (BackupError, OSError, LookupError, ValueError) as exc:
            _LOG.warning("The mail of message %s is not kept: %s", to_hex(message_id), exc)
