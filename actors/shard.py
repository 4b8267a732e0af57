"""What one shard does next: which mailbox fetches what, when a segment is written, what is committed.

Pure: no I/O, no clock, no Ray. `decide` gives what should start now, and the shell (actors/owner.py) tells what
became of each. Mailboxes take turns, one call each, within their quota and the shard's bounds; mail of all of them
fills the same segments. Commits go one at a time, so a cursor never passes what an earlier commit still has to store.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.backoff import Concurrency, ErrorBackoff
from actors.config import ShardConfig
from actors.decisions import (
    Call,
    CallFailed,
    Changed,
    CommitNow,
    Compared,
    Decision,
    Fetch,
    Fetched,
    FetchedBatch,
    Listed,
    Mode,
    Outcome,
    Pinned,
    Watch,
    Watched,
    Write,
    Written,
)
from actors.mailbox import Mailbox
from actors.plans import MailboxPlan
from actors.quota import ShardQuota
from actors.ready_queue import ReadyQueue
from actors.scheduler import Scheduler
from actors.segment_buffer import REPEAT_S, SegmentBuffer
from storage.catalog.leases import Lease
from storage.config import ArchiveConfig
from storage.model.records import Commit, FailedItem, MailboxRecord, Phase

#: Seconds before Gmail is asked again to push a mailbox's changes when it would not.
_WATCH_AGAIN_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Pending:
    """A commit under way and what it says of each mailbox."""

    decision: CommitNow
    plans: tuple[MailboxPlan, ...]


class Shard:
    """Decides for all mailboxes of one shard."""

    def __init__(self, lease: Lease, config: ShardConfig, archive: ArchiveConfig, quota: ShardQuota) -> None:
        self.lease, self.quota, self._config = lease, quota, config
        self._mailboxes: dict[int, Mailbox] = {}
        self._active: set[int] = set()
        self._rounds: set[int] = set()  # mailboxes whose round is under way
        self._changed: dict[int, None] = {}  # mailboxes that something was told of, in order
        self._touched: dict[int, None] = {}  # mailboxes that may have news for a commit
        self._turns = ReadyQueue()
        self._agenda = Scheduler(config.poll, lease.shard_id)
        self._fetches: dict[int, int] = {}  # user -> fetches out
        self._fetches_out = 0
        self._concurrency = Concurrency(config.fetches_per_mailbox)
        self._calls = 0  # other calls out
        self._troubles = ErrorBackoff()
        self._segmenting = SegmentBuffer(config, archive)
        self._pending: _Pending | None = None
        self._commit_due: float | None = None  # the pending commit waits for its next try
        self.committed_messages = 0

    # ---- mailboxes

    def open(self, record: MailboxRecord, failed: Iterable[FailedItem], now: float) -> Mailbox:
        """Take a mailbox on; a listing that a crash cut short goes on. One that is open is in order again."""
        mailbox = self._mailboxes.get(record.user_id)
        if mailbox is None:
            mailbox = self._mailboxes[record.user_id] = Mailbox(record, failed, self._config.retry)
            if record.phase in (Phase.FULL, Phase.RECONCILE):
                self.request(record.user_id, Mode.FULL, now)
            elif mailbox.pollable:
                self._agenda.opened(record.user_id, now)
        else:
            mailbox.renewed()
        self._agenda.retry_at(mailbox.user_id, mailbox.due_at())
        return mailbox

    def request(self, user_id: int, mode: Mode, now: float) -> None:
        """Begin a sync of a mailbox."""
        self._mailboxes[user_id].request(mode, now)
        self._touch(user_id)

    def stop(self, user_id: int) -> None:
        """Ask Gmail for nothing more for a mailbox until the next request."""
        self._mailboxes[user_id].stop()
        self._agenda.closed(user_id)
        self._touch(user_id)

    def mailbox(self, user_id: int) -> Mailbox | None:
        """A mailbox that is open here."""
        return self._mailboxes.get(user_id)

    @property
    def user_ids(self) -> list[int]:
        """Of the mailboxes that are open here."""
        return list(self._mailboxes)

    # ---- decisions

    def decide(self, now: float) -> list[Decision]:
        """Everything that should start now. Each is carried out exactly once and told back exactly once."""
        for user_id in self._agenda.retries(now):
            if self._mailboxes[user_id].is_due(now):
                self.request(user_id, Mode.INCREMENTAL, now)
        for user_id in self._agenda.polls(now):
            if self._mailboxes[user_id].pollable and self._mailboxes[user_id].idle:
                self.request(user_id, Mode.INCREMENTAL, now)
        for user_id in self._agenda.watches(now):
            self._mailboxes[user_id].watch()
            self._touch(user_id)
        decisions: list[Decision] = []
        self._decide_commit(decisions, now)
        self._look(now)
        self._decide_calls(decisions, now)
        self._decide_fetches(decisions, now)
        nothing_follows = not (self._fetches_out or self._calls) and self._turns.idle
        decisions += self._segmenting.due(now, nothing_follows)
        return decisions

    def wake_at(self, now: float) -> float | None:
        """When `decide` should be asked again although nothing was told; None: not before something is."""
        times = (
            self._agenda.next_at(now),
            self._turns.next_at(),
            self._segmenting.next_at(),
            self._commit_due,
        )
        return min((max(when, now) for when in times if when is not None and when > now), default=None)

    @property
    def quiet(self) -> bool:
        """Nothing is under way or owed."""
        return not (self._active or self._touched or self._segmenting.holding or self.storing)

    @property
    def waiting(self) -> int:
        """How many mailboxes have something to ask, about."""
        return self._turns.waiting

    def measures(self) -> dict[str, float]:
        """What is under way, in numbers; those named `…_total` only grow."""
        return {
            "waiting_mailboxes": self._turns.waiting,
            "calls": self._fetches_out + self._calls,
            "committed_messages_total": self.committed_messages,
        }

    @property
    def storing(self) -> bool:
        """A segment is being written, or its commit is not in Postgres yet."""
        return self._segmenting.storing or self._pending is not None

    def _decide_commit(self, decisions: list[Decision], now: float) -> None:
        if self._pending is not None:
            if self._commit_due is not None and self._commit_due <= now:
                self._commit_due = None
                decisions.append(self._pending.decision)
            return
        written = self._segmenting.next_written()
        landed: dict[int, set[int]] = {}
        for held in written.write.batches if written else ():
            landed.setdefault(held.user_id, set()).update(held.message_ids)
        plans = []
        for user_id in self._touched | dict.fromkeys(landed):
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

    def _look(self, now: float) -> None:
        """Give the mailboxes that something was told of their place in the lines, or let them rest."""
        changed, self._changed = self._changed, {}
        for user_id in changed:
            mailbox = self._mailboxes[user_id]
            if mailbox.begin_again(now):
                self._touched[user_id] = None
            if mailbox.active:
                self._turns.add(user_id)
            else:
                self._active.discard(user_id)
            if not mailbox.idle:
                self._rounds.add(user_id)
            elif user_id in self._rounds:
                self._rounds.discard(user_id)
                if mailbox.pollable:
                    self._agenda.looked(user_id, mailbox.found_news, now)

    def _decide_calls(self, decisions: list[Decision], now: float) -> None:
        line = self._turns.callers
        self._turns.wake(now)
        while self._calls < self._config.calls and (user_id := line.next()) is not None:
            mailbox = self._mailboxes[user_id]
            call = mailbox.next_call(self._config.listed_ahead)
            if call is None:
                continue
            if self.quota.take(user_id, call, now):
                mailbox.called(call)
                self._calls += 1
                decisions.append(call)
            elif not self._wait_for_quota(user_id, call, now):
                line.add_first(user_id)
                return

    def _decide_fetches(self, decisions: list[Decision], now: float) -> None:
        line = self._turns.fetchers
        while self._fetches_out < self._config.fetches and (user_id := line.next()) is not None:
            mailbox, out = self._mailboxes[user_id], self._fetches.get(user_id, 0)
            wanted = mailbox.fetchable(now)
            if (waits := mailbox.wake_at()) is not None:
                self._turns.wait(user_id, waits, for_quota=False)
            if out >= self._concurrency.limit(user_id) or not wanted:
                continue
            room = self._segmenting.room()
            if not room:
                line.add_first(user_id)
                return
            count = self.quota.fetchable(user_id, min(wanted, self._config.fetch_size, room), now)
            if count:
                decisions.append(self._fetch(mailbox, count, now))
                line.add(user_id)
            elif not self._wait_for_quota(user_id, None, now):
                line.add_first(user_id)
                return

    def _fetch(self, mailbox: Mailbox, count: int, now: float) -> Fetch:
        fetch = mailbox.take(count)
        taken = self.quota.take(mailbox.user_id, fetch, now)
        assert taken, "fetchable promised it"
        self._fetches[mailbox.user_id] = self._fetches.get(mailbox.user_id, 0) + 1
        self._fetches_out += 1
        self._segmenting.fetching(count)
        return fetch

    def _wait_for_quota(self, user_id: int, call: Call | None, now: float) -> bool:
        """Have a mailbox wait for its own bucket; False when it is the project's units that lack, for everybody."""
        ready_at = self.quota.ready_at(user_id, call, now)
        if ready_at <= now:
            return False
        self._turns.wait(user_id, ready_at, for_quota=True)
        return True

    # ---- told: Gmail

    def on_outcome(self, call: Call, outcome: Outcome, now: float) -> None:
        """What became of a call."""
        mailbox = self._mailboxes[call.user_id]
        if isinstance(call, Fetch):
            self._fetch_ended(call)
            self._concurrency.on_outcome(call.user_id, outcome)
        else:
            self._calls -= 1
        self.quota.returned(call.user_id, call, now)
        self._touch(call.user_id)
        counts = isinstance(call, Fetch) or mailbox.answered(call)
        if isinstance(outcome, CallFailed):
            self._call_failed(mailbox, call, outcome, counts, now)
            return
        self._troubles.over(call.user_id)
        if isinstance(outcome, Fetched) and isinstance(call, Fetch):
            self._fetched(mailbox, call, outcome, now)
            return
        mailbox.spent(self.quota.cost(call))
        if not counts:
            return
        if isinstance(outcome, Pinned):
            mailbox.pinned(outcome.history_id, outcome.estimate, outcome.label_ids)
        elif isinstance(outcome, Listed):
            mailbox.listed(outcome.unknown, outcome.next_page_token, outcome.listed)
        elif isinstance(outcome, Changed):
            mailbox.changed(outcome)
        elif isinstance(outcome, Compared):
            mailbox.compared(outcome.changes)
        elif isinstance(outcome, Watched):
            mailbox.watched()
            self._agenda.watch_at(call.user_id, min(now + self._config.poll.watch_every_s, outcome.expires_at))

    def _fetch_ended(self, call: Fetch) -> None:
        out = self._fetches.pop(call.user_id) - 1
        if out:
            self._fetches[call.user_id] = out
        self._fetches_out -= 1
        self._segmenting.fetch_ended(len(call.message_ids))

    def _fetched(self, mailbox: Mailbox, call: Fetch, outcome: Fetched, now: float) -> None:
        mailbox.spent(outcome.units)
        if outcome.pause_s is not None:
            self.quota.pause(call.user_id, outcome.pause_scope, outcome.pause_s, now)
        mailbox.fetched(outcome.landed, outcome.gone, outcome.size_bytes)
        for failure in outcome.failures:
            mailbox.failed(failure, now)
        if outcome.landed:
            self._segmenting.hold(
                FetchedBatch(call.user_id, outcome.landed, outcome.size_bytes, now, outcome.reference)
            )
        told = {*outcome.landed, *outcome.gone, *(failure.message_id for failure in outcome.failures)}
        mailbox.returned([key for key in call.message_ids if key not in told], now)

    def _call_failed(self, mailbox: Mailbox, call: Call, outcome: CallFailed, counts: bool, now: float) -> None:
        mailbox.spent(outcome.units)
        pause = self._troubles.pause_s(call.user_id, outcome.retry_after_s)
        if outcome.revoked:
            if counts and not (isinstance(call, Fetch) and call.grant != mailbox.grant):
                mailbox.revoked(outcome.error)
        else:
            self.quota.pause(call.user_id, "user", pause, now)
            if outcome.scope == "project":
                self.quota.pause(call.user_id, "project", outcome.retry_after_s or REPEAT_S, now)
        if isinstance(call, Fetch):
            mailbox.returned(call.message_ids, now + pause)
        if not counts or outcome.revoked:
            return
        if isinstance(call, Watch):
            mailbox.watched()  # pushes are a convenience: their refusal holds nothing up
            self._agenda.watch_at(call.user_id, now + _WATCH_AGAIN_S)
        elif outcome.history_expired:
            mailbox.history_expired()
        elif outcome.page_refused:
            mailbox.page_refused(outcome.error)
        else:
            mailbox.call_failed(outcome.error)

    # ---- told: segments

    def written(self, outcome: Written) -> None:
        """A segment's files are on disk."""
        self._segmenting.written(outcome)

    def write_failed(self, write: Write, lost: bool, now: float, waits: bool = False) -> None:
        """A segment could not be written. `lost`: the mail is gone from memory; `waits`: the archive takes nothing."""
        if self._segmenting.write_failed(write, lost, now, waits):
            for held in write.batches:
                self._mailboxes[held.user_id].returned(held.message_ids, now + REPEAT_S)
                self._touch(held.user_id)

    def committed(self) -> None:
        """The pending commit is in Postgres."""
        assert self._pending is not None
        pending, self._pending = self._pending, None
        for plan in pending.plans:
            mailbox = self._mailboxes[plan.update.user_id]
            mailbox.committed(plan)
            self._touch(mailbox.user_id)
            self._agenda.retry_at(mailbox.user_id, mailbox.due_at())
        if pending.decision.written is not None:
            write = pending.decision.written.write
            self._segmenting.forget(write)
            self.committed_messages += sum(len(held.message_ids) for held in write.batches)

    def commit_failed(self, now: float, stored: frozenset[tuple[int, int]] | None = None) -> None:
        """The pending commit did not, or may not, have taken effect: repeat it as it is.

        Args:
            stored: these messages of its segment are in the index already: the segment is written again without them.
        """
        assert self._pending is not None
        if stored is None:
            self._commit_due = now + REPEAT_S
            return
        written = self._pending.decision.written
        assert written is not None
        for plan in self._pending.plans:  # their news waits for the next commit
            self._touch(plan.update.user_id)
        self._pending = None
        self._segmenting.write_without(written.write, stored, now)

    def _touch(self, user_id: int) -> None:
        """The mailbox changed: it takes its turns again, and the next commit looks whether it has news."""
        self._touched[user_id] = None
        self._changed[user_id] = None
        self._active.add(user_id)
