"""What one shard does next: which mailbox fetches what, when a segment is written, what is committed.

Pure: no I/O, no clock, no Ray. `decide` gives what should start now, and the shell (actors/owner.py) tells what
became of each. Mailboxes take turns, one call each, within their quota and the shard's bounds; mail of all of them
fills the same segments. Commits go one at a time, so a cursor never passes what an earlier commit still has to store.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from actors.config import ShardConfig
from actors.decisions import (
    Call,
    CallFailed,
    Changed,
    CommitNow,
    Decision,
    Fetch,
    Fetched,
    Held,
    Listed,
    Mode,
    Outcome,
    Pinned,
    Write,
    Written,
)
from actors.mailbox import Mailbox
from actors.plans import MailboxPlan
from actors.quota import ShardQuota
from storage.config import ArchiveConfig
from storage.leases import Lease
from storage.records import Commit, FailedItem, MailboxRecord, Phase

#: Seconds before a commit or a write that failed is repeated.
_REPEAT_S = 1.0
#: Seconds between calls for a mailbox whose calls fail one after another; the pause doubles up to here.
_LONGEST_PAUSE_S = 60.0
#: Times that a segment is written before its mail is fetched anew.
_WRITE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Pending:
    """A commit under way and what it says of each mailbox."""

    decision: CommitNow
    plans: tuple[MailboxPlan, ...]


class Shard:
    """Decides for all mailboxes of one shard."""

    def __init__(self, lease: Lease, config: ShardConfig, archive: ArchiveConfig, quota: ShardQuota) -> None:
        self.lease, self._config, self._archive, self._quota = lease, config, archive, quota
        self._mailboxes: dict[int, Mailbox] = {}
        self._turns: deque[int] = deque()  # active mailboxes, the next one first
        self._active: set[int] = set()
        self._touched: set[int] = set()  # mailboxes that may have news for a commit
        self._retries: list[tuple[float, int]] = []  # heap of (when, user): filed messages are due
        self._fetches: dict[int, int] = {}  # user -> fetches out
        self._troubles: dict[int, int] = {}  # user -> calls that failed in a row
        self._calls = 0  # pin, list and history calls out
        self._flying_bytes = 0  # assumed size of what is being fetched
        self._buffer: list[Held] = []
        self._buffer_bytes = self._buffer_messages = 0
        self._writes = 0  # segments being written
        self._again: deque[tuple[float, Write]] = deque()  # failed writes
        self._written: deque[Written] = deque()
        self._writing_bytes = 0  # from the buffer's flush to the commit
        self._pending: _Pending | None = None
        self._commit_due: float | None = None  # the pending commit waits for its next try
        self.committed_messages = 0

    # ---- mailboxes

    def open(self, record: MailboxRecord, failed: Iterable[FailedItem], now: float) -> Mailbox:
        """Take a mailbox on; a full sync that a crash cut short goes on. One that is open is in order again."""
        mailbox = self._mailboxes.get(record.user_id)
        if mailbox is None:
            mailbox = self._mailboxes[record.user_id] = Mailbox(record, failed, self._config.retry)
            if record.phase is Phase.FULL:
                self.request(record.user_id, Mode.FULL, now)
        else:
            mailbox.renewed()
        self._schedule_retry(mailbox)
        return mailbox

    def request(self, user_id: int, mode: Mode, now: float) -> None:
        """Begin a sync of a mailbox."""
        self._mailboxes[user_id].request(mode, now)
        self._touch(user_id)

    def stop(self, user_id: int) -> None:
        """Ask Gmail for nothing more for a mailbox until the next request."""
        self._mailboxes[user_id].stop()
        self._touch(user_id)

    def mailbox(self, user_id: int) -> Mailbox | None:
        """A mailbox that is open here."""
        return self._mailboxes.get(user_id)

    # ---- decisions

    def decide(self, now: float) -> list[Decision]:
        """Everything that should start now. Each is carried out exactly once and told back exactly once."""
        decisions: list[Decision] = []
        while self._retries and self._retries[0][0] <= now:
            user_id = heapq.heappop(self._retries)[1]
            if self._mailboxes[user_id].is_due(now):
                self.request(user_id, Mode.INCREMENTAL, now)
        self._decide_commit(decisions, now)
        self._decide_writes(decisions, now)
        self._decide_calls(decisions, now)
        return decisions

    def wake_at(self, now: float) -> float | None:
        """When `decide` should be asked again although nothing was told; None: not before something is."""
        times = [when for when, _ in self._again]
        if self._retries:
            times.append(self._retries[0][0])
        if self._commit_due is not None:
            times.append(self._commit_due)
        if self._buffer:
            times.append(self._buffer[0].fetched_at + self._archive.segment_age_s)
        for user_id in self._active:
            mailbox = self._mailboxes[user_id]
            if (waits := mailbox.wake_at()) is not None:
                times.append(waits)
            call = mailbox.next_call(self._config.listed_ahead)
            if call is not None or mailbox.fetchable(now):
                times.append(self._quota.ready_at(user_id, call, now))
        return min((max(when, now) for when in times if when > now), default=None)

    @property
    def quiet(self) -> bool:
        """Nothing is under way or owed."""
        return not (self._active or self._buffer or self.storing)

    @property
    def storing(self) -> bool:
        """A segment is being written, or its commit is not in Postgres yet."""
        return bool(self._writes or self._again or self._written or self._pending)

    def _decide_commit(self, decisions: list[Decision], now: float) -> None:
        if self._pending is not None:
            if self._commit_due is not None and self._commit_due <= now:
                self._commit_due = None
                decisions.append(self._pending.decision)
            return
        written = self._written.popleft() if self._written else None
        landed: dict[int, set[int]] = {}
        for held in written.write.batches if written else ():
            landed.setdefault(held.user_id, set()).update(held.message_ids)
        plans = []
        for user_id in self._touched | landed.keys():
            mailbox = self._mailboxes[user_id]
            plan = mailbox.plan(landed.get(user_id, ()))
            if user_id in landed or mailbox.says_news(plan):
                plans.append(plan)
        self._touched.clear()
        if not plans:
            return
        commit = Commit(
            shard_id=self.lease.shard_id,
            owner=self.lease.owner,
            epoch=self.lease.epoch,
            segment=written.manifest if written else None,
            mailboxes=tuple(plan.update for plan in plans),
            changes=tuple(change for plan in plans for change in plan.changes),
            failed=tuple(item for plan in plans for item in plan.failed),
            settled=tuple(key for plan in plans for key in plan.settled),
        )
        self._pending = _Pending(CommitNow(commit, written), tuple(plans))
        decisions.append(self._pending.decision)

    def _decide_writes(self, decisions: list[Decision], now: float) -> None:
        while self._again and self._again[0][0] <= now and self._writes < self._config.writes:
            decisions.append(self._again.popleft()[1])
            self._writes += 1
        while self._buffer and self._writes < self._config.writes and self._worth_writing(now):
            decisions.append(Write(tuple(self._cut())))
            self._writes += 1

    def _worth_writing(self, now: float) -> bool:
        if self._buffer_bytes >= self._archive.segment_bytes:
            return True
        if self._buffer_messages >= self._archive.segment_messages:
            return True
        if now >= self._buffer[0].fetched_at + self._archive.segment_age_s:  # as `wake_at` reckons it
            return True
        return not self._fetches and all(self._mailboxes[user_id].drained for user_id in self._active)

    def _cut(self) -> list[Held]:
        """The oldest of the buffer, one segment's worth."""
        size = count = taken = 0
        for held in self._buffer:
            taken += 1
            size += held.size_bytes
            count += len(held.message_ids)
            if size >= self._archive.segment_bytes or count >= self._archive.segment_messages:
                break
        batches, self._buffer = self._buffer[:taken], self._buffer[taken:]
        self._buffer_bytes -= size
        self._buffer_messages -= count
        self._writing_bytes += size
        return batches

    def _decide_calls(self, decisions: list[Decision], now: float) -> None:
        idle = 0
        while self._turns and idle < len(self._turns):
            user_id = self._turns[0]
            mailbox = self._mailboxes[user_id]
            if mailbox.begin_again(now):
                self._touch(user_id)
            if not mailbox.active and user_id not in self._touched:
                self._turns.popleft()
                self._active.discard(user_id)
                continue
            call = self._call_of(mailbox, now)
            self._turns.rotate(-1)
            if call is None:
                idle += 1
            else:
                idle = 0
                decisions.append(call)

    def _call_of(self, mailbox: Mailbox, now: float) -> Call | None:
        user_id = mailbox.user_id
        call = mailbox.next_call(self._config.listed_ahead) if self._calls < self._config.calls else None
        if call is not None:
            if not self._quota.take(user_id, call, now):
                return None
            mailbox.called(call)
            self._calls += 1
            return call
        out = self._fetches.get(user_id, 0)
        if out >= self._config.fetches_per_mailbox or sum(self._fetches.values()) >= self._config.fetches:
            return None
        count = min(mailbox.fetchable(now), self._config.fetch_size, self._room())
        count = self._quota.fetchable(user_id, count, now)
        if count == 0:
            return None
        fetch = mailbox.take(count)
        taken = self._quota.take(user_id, fetch, now)
        assert taken, "fetchable promised it"
        self._fetches[user_id] = out + 1
        self._flying_bytes += count * self._config.typical_message_bytes
        return fetch

    def _room(self) -> int:
        """Messages that the buffer has room for; one when nothing is under way, however small the buffer."""
        used = self._flying_bytes + self._writing_bytes + self._buffer_bytes
        room = (self._config.buffer_bytes - used) // self._config.typical_message_bytes
        return max(room, 0 if used else 1)

    # ---- told: Gmail

    def told(self, call: Call, outcome: Outcome, now: float) -> None:
        """What became of a call."""
        mailbox = self._mailboxes[call.user_id]
        if isinstance(call, Fetch):
            self._fetch_ended(call)
        else:
            self._calls -= 1
        self._touch(call.user_id)
        counts = isinstance(call, Fetch) or mailbox.answered(call)
        if isinstance(outcome, CallFailed):
            self._call_failed(mailbox, call, outcome, counts, now)
            return
        self._troubles.pop(call.user_id, None)
        if isinstance(outcome, Fetched) and isinstance(call, Fetch):
            self._fetched(mailbox, call, outcome, now)
        else:
            mailbox.spent(self._quota.cost(call))
            if not counts:
                return
            if isinstance(outcome, Pinned):
                mailbox.pinned(outcome.history_id, outcome.estimate)
            elif isinstance(outcome, Listed):
                mailbox.listed(outcome.unknown, outcome.next_page_token)
            elif isinstance(outcome, Changed):
                mailbox.changed(outcome)

    def _fetch_ended(self, call: Fetch) -> None:
        out = self._fetches.pop(call.user_id) - 1
        if out:
            self._fetches[call.user_id] = out
        self._flying_bytes -= len(call.message_ids) * self._config.typical_message_bytes

    def _fetched(self, mailbox: Mailbox, call: Fetch, outcome: Fetched, now: float) -> None:
        mailbox.spent(outcome.units)
        self._quota.settle(call, outcome.units)
        if outcome.pause_s is not None:
            self._quota.pause(call.user_id, outcome.pause_scope, outcome.pause_s, now)
        mailbox.fetched(outcome.landed, outcome.gone, outcome.size_bytes)
        for failure in outcome.failures:
            mailbox.failed(failure, now)
        if outcome.landed:
            held = Held(call.user_id, outcome.landed, outcome.size_bytes, now, outcome.reference)
            self._buffer.append(held)
            self._buffer_bytes += held.size_bytes
            self._buffer_messages += len(held.message_ids)
        told = {*outcome.landed, *outcome.gone, *(failure.message_id for failure in outcome.failures)}
        mailbox.returned([key for key in call.message_ids if key not in told], now)

    def _call_failed(self, mailbox: Mailbox, call: Call, outcome: CallFailed, counts: bool, now: float) -> None:
        mailbox.spent(outcome.units)
        self._quota.settle(call, outcome.units)
        before = self._troubles.get(call.user_id, 0)
        self._troubles[call.user_id] = before + 1
        pause = max(outcome.retry_after_s or 0.0, min(_REPEAT_S * 2.0 ** min(before, 10), _LONGEST_PAUSE_S))
        if outcome.revoked:
            mailbox.revoked(outcome.error)
        else:
            self._quota.pause(call.user_id, "user", pause, now)
        if isinstance(call, Fetch):
            mailbox.returned(call.message_ids, now + pause)
        if outcome.history_expired:
            if counts:
                mailbox.history_expired()
        elif counts:
            mailbox.call_failed(outcome.error)

    # ---- told: segments

    def written(self, outcome: Written) -> None:
        """A segment's files are on disk."""
        self._writes -= 1
        self._written.append(outcome)

    def write_failed(self, write: Write, lost: bool, now: float) -> None:
        """A segment could not be written. `lost`: the mail itself is gone from memory."""
        self._writes -= 1
        if not lost and write.attempt < _WRITE_ATTEMPTS:
            self._again.append((now + _REPEAT_S, replace(write, attempt=write.attempt + 1)))
            return
        for held in write.batches:
            self._writing_bytes -= held.size_bytes
            self._mailboxes[held.user_id].returned(held.message_ids, now + _REPEAT_S)
            self._touch(held.user_id)

    def committed(self) -> None:
        """The pending commit is in Postgres."""
        assert self._pending is not None
        pending, self._pending = self._pending, None
        for plan in pending.plans:
            mailbox = self._mailboxes[plan.update.user_id]
            mailbox.committed(plan)
            self._touch(mailbox.user_id)
            self._schedule_retry(mailbox)
        if pending.decision.written is not None:
            write = pending.decision.written.write
            self._writing_bytes -= sum(held.size_bytes for held in write.batches)
            self.committed_messages += sum(len(held.message_ids) for held in write.batches)

    def commit_failed(self, now: float, stored: frozenset[tuple[int, int]] | None = None) -> None:
        """The pending commit did not, or may not, have taken effect: repeat it as it is.

        Args:
            stored: these messages of its segment are in the index already: the segment is written again without them.
        """
        assert self._pending is not None
        if stored is None:
            self._commit_due = now + _REPEAT_S
            return
        written = self._pending.decision.written
        assert written is not None
        for plan in self._pending.plans:  # their news waits for the next commit
            self._touch(plan.update.user_id)
        self._pending = None
        self._again.append((now, replace(written.write, skip=written.write.skip | stored, attempt=1)))

    def _touch(self, user_id: int) -> None:
        """The mailbox changed: it takes its turns again, and the next commit looks whether it has news."""
        self._touched.add(user_id)
        if user_id not in self._active:
            self._active.add(user_id)
            self._turns.append(user_id)

    def _schedule_retry(self, mailbox: Mailbox) -> None:
        if (due := mailbox.due_at()) is not None:
            heapq.heappush(self._retries, (due, mailbox.user_id))
