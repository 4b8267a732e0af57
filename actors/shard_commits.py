"""Decides what one shard commits next; one commit at a time, so that no cursor passes uncommitted mail.

A commit that the database refuses is bisected, until the mailbox or the message at fault is alone.
"""

from collections.abc import Iterator
from dataclasses import asdict

from actors.decisions import (
    CommitNow,
    Decision,
    Write,
    Written,
)
from actors.plans import MailboxPlan
from actors.segment_buffer import REPEAT_S
from actors.shard_state import Pending, ShardState
from storage.model.records import Commit, LabelChange, classification_change


class ShardCommits(ShardState):
    """Decides about segments and commits."""

    def _decide_commit(self, decisions: list[Decision], now: float) -> None:
        if self._pending is not None:
            if self._commit_due is not None and self._commit_due <= now:
                self._commit_due = None
                decisions.append(self._pending.decision)
            return
        if self._alone:
            self._commit_alone(decisions)
            return
        written = self._segment_buffer.next_written()
        landed: dict[int, set[int]] = {}
        for held in written.write.batches if written else ():
            landed.setdefault(held.user_id, set()).update(held.message_ids)
        plans = []
        for user_id in self._touched | dict.fromkeys(landed):
            mailbox = self._mailboxes[user_id]
            plan = mailbox.plan(landed.get(user_id, ()))
            if user_id in landed or mailbox.has_changes(plan):
                plans.append(plan)
        self._touched.clear()
        if plans:
            self._propose(plans, written, decisions)

    def _commit_alone(self, decisions: list[Decision]) -> None:
        while self._alone and self._pending is None:
            user_id = self._alone.popleft()
            plan = self._mailboxes[user_id].plan(())
            if self._mailboxes[user_id].has_changes(plan):
                self._propose([plan], None, decisions)

    def _propose(self, plans: list[MailboxPlan], written: Written | None, decisions: list[Decision]) -> None:
        commit = Commit(
            shard_id=self.lease.shard_id,
            owner=self.lease.owner,
            epoch=self.lease.epoch,
            segment=written.manifest if written else None,
            mailboxes=tuple(plan.update for plan in plans),
            changes=(*(change for plan in plans for change in plan.changes), *_classified(written)),
            failed=tuple(item for plan in plans for item in plan.failed),
            settled=tuple(key for plan in plans for key in plan.settled),
            unreadable=tuple(item for plan in plans for item in plan.unreadable),
        )
        self._pending = Pending(CommitNow(commit, written), tuple(plans))
        decisions.append(self._pending.decision)

    def written(self, outcome: Written) -> None:
        """Record that a segment's files are written."""
        self._segment_buffer.written(outcome)

    def write_failed(
        self, write: Write, lost: bool, now: float, defect: str | None = None, waits: bool = False
    ) -> None:
        """Record that a segment could not be written.

        Args:
            lost: the mail itself is gone from memory.
            waits: the archive accepts nothing for now.
            defect: something in the mail is at fault; the message is found by bisection and filed.
        """
        if defect is not None and not (lost or waits) and self._segment_buffer.gave_up(write):
            self._file_culprit(write, defect, now)
            return
        if self._segment_buffer.write_failed(write, lost, now, waits):
            for held in write.batches:
                self._mailboxes[held.user_id].returned(held.message_ids, now + REPEAT_S)
                self._touch(held.user_id)

    def committed(self, now: float) -> None:
        """Record that the pending commit is in Postgres."""
        assert self._pending is not None
        pending, self._pending = self._pending, None
        for plan in pending.plans:
            mailbox = self._mailboxes[plan.update.user_id]
            mailbox.committed(plan)
            self._touch(mailbox.user_id)
            self._scheduler.retry_at(mailbox.user_id, mailbox.due_at())
            if plan.ends_listing:
                self._scheduler.reconcile_at(mailbox.user_id, None, now)
            self._count_mended(plan)
        if pending.decision.written is not None:
            write = pending.decision.written.write
            self._segment_buffer.forget(write)
            self.committed_messages += sum(len(held.message_ids) for held in write.batches)

    def commit_failed(self, now: float, stored: frozenset[tuple[int, int]] | None = None) -> None:
        """Repeat the pending commit unchanged: it failed, or its outcome is unknown.

        Args:
            stored: messages of its segment that are in the index already; the segment is written again without them.
        """
        assert self._pending is not None
        if stored is None:
            self._commit_due = now + REPEAT_S
            return
        written = self._pending.decision.written
        assert written is not None
        for plan in self._pending.plans:  # their changes wait for the next commit
            self._touch(plan.update.user_id)
        self._pending = None
        self._segment_buffer.write_without(written.write, stored, now)

    def commit_refused(self, error: str, now: float) -> None:
        """Bisect the pending commit, because the database refuses a value in it, and commit the rest.

        Each mailbox's changes are first committed alone; a mailbox that is refused again is quarantined. A segment that
        is refused after that is bisected, until the message at fault is alone.
        """
        assert self._pending is not None
        pending, self._pending = self._pending, None
        users = [plan.update.user_id for plan in pending.plans]
        written = pending.decision.written
        for user_id in users:
            self._touch(user_id)
        if written is None and len(users) == 1:
            self._mailboxes[users[0]].quarantine(error)
        elif written is None or written.write is not self._doubted:
            self._alone.extend(users)
            if written is not None:
                self._doubted = written.write
                self._segment_buffer.put_back(written)
        else:
            self._file_culprit(written.write, error, now)

    def _file_culprit(self, write: Write, error: str, now: float) -> None:
        culprit = self._segment_buffer.split(write, now)
        if culprit is not None:
            user_id = write.batches[0].user_id
            self._mailboxes[user_id].unstorable(culprit, error, now)
            self._touch(user_id)

    def _count_mended(self, plan: MailboxPlan) -> None:
        if plan.update.mended is not None:
            for what, count in asdict(plan.update.mended).items():
                self._mended[what] += count


def _classified(written: Written | None) -> Iterator[LabelChange]:
    """The classification labels of the messages that a segment stores."""
    for held in written.write.batches if written else ():
        for message_id, values in held.classified:
            if message_id in held.message_ids:
                yield classification_change(held.user_id, message_id, values)
