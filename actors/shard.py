"""The decisions of one shard: what each mailbox fetches, when a segment is written, what is committed.

Pure: no I/O, no clock, no Ray. `decide` returns what should start now, and the shell (actors/owner.py) reports
the outcomes. Mailboxes take turns, one call each, within their quota and the shard's bounds; mail of all of them
fills the same segments. Commits go one at a time, so a cursor never passes what an earlier commit still has to store.
"""

from collections.abc import Iterable, Mapping

from actors.decisions import (
    Call,
    CallFailed,
    Changed,
    Compared,
    Confirmed,
    Decision,
    Failure,
    Fetch,
    Fetched,
    FetchedBatch,
    LabelsRead,
    Listed,
    Mode,
    Outcome,
    Pinned,
    ReadLabels,
    Watch,
    Watched,
)
from actors.mailbox import Mailbox
from actors.rounds import State
from actors.segment_buffer import REPEAT_S
from actors.shard_commits import ShardCommits
from storage.model.records import FailedItem, MailboxRecord, Phase
from storage.model.wait_reasons import WaitKind

#: Seconds before a refused renewal of notifications is repeated.
_WATCH_AGAIN_S = 3600.0
#: Consecutive failed calls after which a mailbox counts among those that must leave a place free.
_TROUBLED = 3
#: Maximum seconds that one answer pauses all mailboxes; another answer may pause them again.
_LONGEST_PROJECT_PAUSE_S = 60.0
#: Seconds before a second consecutive full listing for an expired history; doubles up to the
#: maximum.
_RELIST_PAUSE_S, _LONGEST_RELIST_PAUSE_S = 30.0, 900.0
#: Consecutive fetches of a mailbox that fail as a whole before the failures count for their messages: about four
#: minutes, so that a shorter outage files no message.
_PATIENCE = 8


class Shard(ShardCommits):
    """Decides for all mailboxes of one shard."""

    def open(self, record: MailboxRecord, failed: Iterable[FailedItem], now: float) -> Mailbox:
        """Open a mailbox; an interrupted listing continues. A mailbox that is already open leaves its quarantine."""
        mailbox = self._mailboxes.get(record.user_id)
        if mailbox is None:
            mailbox = Mailbox(record, failed, self._config.retry, self._config.evidence)
            self._mailboxes[record.user_id] = mailbox
            self._scheduler.reconcile_at(record.user_id, record.reconciled_at or record.listed_at, now)
            if record.phase in (Phase.FULL, Phase.RECONCILE):
                self.request(record.user_id, Mode.FULL, now)
            elif mailbox.pollable:
                self._scheduler.opened(record.user_id, now)
        else:
            mailbox.renewed()
        self._scheduler.retry_at(mailbox.user_id, mailbox.due_at())
        return mailbox

    def request(self, user_id: int, mode: Mode, now: float) -> None:
        """Begin a sync of a mailbox."""
        self._mailboxes[user_id].request(mode, now)
        self._touch(user_id)

    def stop(self, user_id: int) -> None:
        """Make no further calls for a mailbox until the next request."""
        self._mailboxes[user_id].stop()
        self._scheduler.closed(user_id)
        self._touch(user_id)

    @property
    def user_ids(self) -> list[int]:
        """The users whose mailboxes are open here."""
        return list(self._mailboxes)

    def failures_in_a_row(self, user_id: int) -> int:
        """Number of consecutive failed calls of a mailbox."""
        return self._error_backoff.in_a_row(user_id)

    def calls_out(self, user_id: int) -> int:
        """Number of a mailbox's calls in flight, other than fetches."""
        return self._calling.get(user_id, 0)

    def decide(self, now: float) -> list[Decision]:
        """All decisions that should start now. The caller executes each and reports its outcome exactly once."""
        for user_id in self._scheduler.retries(now):
            mailbox = self._mailboxes[user_id]
            if mailbox.is_due(now):
                mailbox.renewed()
                self.request(user_id, Mode.INCREMENTAL, now)
        for user_id in self._scheduler.reconciles(now):
            self._scheduler.reconcile_at(user_id, None, now)
            if self._mailboxes[user_id].pollable:
                self.request(user_id, Mode.RECONCILE, now)
        for user_id in self._scheduler.polls(now):
            if self._mailboxes[user_id].pollable and self._mailboxes[user_id].idle:
                self.request(user_id, Mode.INCREMENTAL, now)
        for user_id in self._scheduler.watches(now):
            self._mailboxes[user_id].watch()
            self._touch(user_id)
        decisions: list[Decision] = []
        self._decide_commit(decisions, now)
        self._look(now)
        self._decide_calls(decisions, now)
        self._decide_fetches(decisions, now)
        nothing_follows = not (self._fetches_out or self._calls) and self._ready_queue.idle
        decisions += self._segment_buffer.due(now, nothing_follows)
        return decisions

    def wake_at(self, now: float) -> float | None:
        """When to call `decide` again without an event; None: not before the next event."""
        times = (
            self._scheduler.next_at(now),
            self._ready_queue.next_at(),
            self._segment_buffer.next_at(),
            self._commit_due,
        )
        return min((max(when, now) for when in times if when is not None and when > now), default=None)

    def _look(self, now: float) -> None:
        """Queue the mailboxes that had events and have work."""
        changed, self._changed = self._changed, {}
        for user_id in changed:
            mailbox = self._mailboxes[user_id]
            if mailbox.begin_again(now):
                self._touched[user_id] = None
            if mailbox.active:
                self._ready_queue.add(user_id)
            else:
                self._active.discard(user_id)
            if not mailbox.idle:
                self._rounds.add(user_id)
            elif user_id in self._rounds:
                self._rounds.discard(user_id)
                if mailbox.pollable:
                    self._scheduler.looked(user_id, mailbox.found_changes, now)

    def _decide_calls(self, decisions: list[Decision], now: float) -> None:
        line = self._ready_queue.callers
        self._ready_queue.wake(now)
        held_back: list[int] = []
        while self._calls < self._config.calls and (user_id := line.next()) is not None:
            mailbox = self._mailboxes[user_id]
            call = mailbox.next_call(self._config.list_ahead)
            if call is None:
                continue
            if self._must_leave_room(user_id, self._calling, self._config.calls):
                held_back.append(user_id)
            elif self.quota.take(user_id, call, now):
                mailbox.called(call)
                self._calls += 1
                self._calling[user_id] = self._calling.get(user_id, 0) + 1
                decisions.append(call)
            elif not self._wait_for_quota(user_id, call, now):
                line.add_first(user_id)
                break
        for user_id in reversed(held_back):
            line.add_first(user_id)

    def _must_leave_room(self, user_id: int, out: Mapping[int, int], most: int) -> bool:
        """Whether one place must stay free of mailboxes whose calls fail or stall, so that others continue.

        A stopped mailbox's call may still be in flight when the mailbox is requested again: it counts as stalled.
        """
        stalls = out is self._calling and user_id in out
        if most < 2 or not (stalls or self._error_backoff.in_a_row(user_id) >= _TROUBLED):
            return False
        taken = (
            count
            for other, count in out.items()
            if self._error_backoff.in_a_row(other) >= _TROUBLED or (stalls and (other == user_id or count > 1))
        )
        return sum(taken) >= most - 1

    def _decide_fetches(self, decisions: list[Decision], now: float) -> None:
        line = self._ready_queue.fetchers
        held_back: list[int] = []
        while self._fetches_out < self._config.fetches and (user_id := line.next()) is not None:
            mailbox, out = self._mailboxes[user_id], self._fetches.get(user_id, 0)
            wanted = mailbox.fetchable(now)
            if (waits := mailbox.wake_at()) is not None:
                self._ready_queue.wait(user_id, waits, for_quota=False)
            limit = self._concurrency.limit(user_id)
            if len(self._active) > 1:  # fetches may stall: leave one place to other mailboxes
                limit = min(limit, max(self._config.fetches - 1, 1))
            if out >= limit or not wanted:
                continue
            if self._must_leave_room(user_id, self._fetches, self._config.fetches):
                held_back.append(user_id)
                continue
            room = self._segment_buffer.room()
            if not room:
                line.add_first(user_id)
                break
            count = self.quota.fetchable(user_id, min(wanted, self._config.fetch_size, room), now)
            if count:
                decisions.append(self._fetch(mailbox, count, now))
                line.add(user_id)
            elif not self._wait_for_quota(user_id, None, now):
                line.add_first(user_id)
                break
        for user_id in reversed(held_back):
            line.add_first(user_id)

    def _fetch(self, mailbox: Mailbox, count: int, now: float) -> Fetch:
        fetch = mailbox.take(count)
        count = len(fetch.message_ids)
        taken = self.quota.take(mailbox.user_id, fetch, now)
        assert taken, "fetchable promised it"
        self._fetches[mailbox.user_id] = self._fetches.get(mailbox.user_id, 0) + 1
        self._fetches_out += 1
        self._segment_buffer.fetching(count)
        return fetch

    def lend(self, user_id: int, method: str, now: float) -> float:
        """As `ShardQuota.lend`; lent units count as spent by the mailbox."""
        wait_s = self.quota.lend(user_id, method, now)
        mailbox = self._mailboxes.get(user_id)
        if wait_s == 0 and mailbox is not None:
            mailbox.spent(self.quota.method_cost(method))
        return wait_s

    def _wait_for_quota(self, user_id: int, call: Call | None, now: float) -> bool:
        """Let a mailbox wait for its own bucket; False if the project's units are spent, for all mailboxes."""
        ready_at = self.quota.ready_at(user_id, call, now)
        if ready_at <= now:
            return False
        self._ready_queue.wait(user_id, ready_at, for_quota=True)
        return True

    def on_outcome(self, call: Call, outcome: Outcome, now: float) -> None:
        """Record the outcome of a call."""
        mailbox = self._mailboxes[call.user_id]
        if isinstance(call, Fetch):
            self._fetch_ended(call)
            self._concurrency.on_outcome(call.user_id, outcome)
        else:
            self._calls -= 1
            self._calling[call.user_id] -= 1
            if not self._calling[call.user_id]:
                del self._calling[call.user_id]
        self.quota.returned(call.user_id, call, now)
        self._touch(call.user_id)
        counts = isinstance(call, Fetch) or mailbox.answered(call)
        if isinstance(outcome, CallFailed):
            self._call_failed(mailbox, call, outcome, counts, now)
            return
        if isinstance(outcome, Fetched) and isinstance(call, Fetch):
            self._error_backoff.over(call.user_id)
            self._fetched(mailbox, call, outcome, now)
            return
        beyond = outcome.units if isinstance(outcome, Listed | Changed) else 0
        in_all = outcome.units if isinstance(outcome, Confirmed) else 0
        mailbox.spent(max(self.quota.cost(call) + beyond, in_all))
        if not counts:
            return
        stuck = mailbox.stuck
        self._told_mailbox(mailbox, outcome, now)
        if mailbox.stuck > stuck:  # it returned to an earlier step: slow down, as after a failure
            self.quota.pause(call.user_id, "user", self._error_backoff.pause_s(call.user_id, None), now)
        elif not mailbox.stuck:
            self._error_backoff.over(call.user_id)
        if isinstance(outcome, Changed):
            self._slow_down(mailbox, now)

    def _slow_down(self, mailbox: Mailbox, now: float) -> None:
        """Delay a mailbox that is listed repeatedly because its history cannot be followed."""
        if mailbox.round_state is State.PINNING and mailbox.expiries > 1:
            pause_s = min(_RELIST_PAUSE_S * 2.0 ** min(mailbox.expiries - 2, 10), _LONGEST_RELIST_PAUSE_S)
            self.quota.pause(mailbox.user_id, "user", pause_s, now)

    def _fetch_failed(self, mailbox: Mailbox, call: Fetch, outcome: CallFailed, not_before: float) -> None:
        """Record a fetch that failed as a whole; after many such fetches, each failure counts for its messages.

        So a single message that makes every fetch fail is found, by fetching each alone, and filed.
        """
        unusable = outcome.kind in (WaitKind.GMAIL_UNREACHABLE, WaitKind.GMAIL_UNREADABLE)
        if not unusable or self._error_backoff.in_a_row(call.user_id) <= _PATIENCE:
            mailbox.returned(call.message_ids, not_before)
            return
        for key in call.message_ids:
            mailbox.failed(Failure(key, outcome.error, retryable=True, charged=True), not_before)

    def _told_mailbox(self, mailbox: Mailbox, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Pinned):
            mailbox.pinned(outcome.history_id, outcome.estimate, outcome.label_ids)
            mailbox.labels_read(outcome.label_ids, now)
        elif isinstance(outcome, Listed):
            mailbox.listed(
                outcome.unknown, outcome.next_page_token, outcome.listed, outcome.unreadable, outcome.threads
            )
        elif isinstance(outcome, Confirmed):
            mailbox.confirmed(outcome)
        elif isinstance(outcome, Changed):
            mailbox.changed(outcome, now)
        elif isinstance(outcome, Compared):
            mailbox.compared(outcome.differences, now)
        elif isinstance(outcome, LabelsRead):
            mailbox.labels_read(outcome.label_ids, now)
        elif isinstance(outcome, Watched):
            mailbox.watched()
            ends = max(outcome.expires_at, now + _WATCH_AGAIN_S)  # regardless of Gmail's answer, not earlier
            self._scheduler.watch_at(mailbox.user_id, min(now + self._config.poll.watch_every_s, ends))

    def _fetch_ended(self, call: Fetch) -> None:
        out = self._fetches.pop(call.user_id) - 1
        if out:
            self._fetches[call.user_id] = out
        self._fetches_out -= 1
        self._segment_buffer.fetch_ended(len(call.message_ids))

    def _fetched(self, mailbox: Mailbox, call: Fetch, outcome: Fetched, now: float) -> None:
        mailbox.spent(outcome.units)
        if outcome.pause_s is not None:
            longest = _LONGEST_PROJECT_PAUSE_S if outcome.pause_scope == "project" else outcome.pause_s
            self.quota.pause(call.user_id, outcome.pause_scope, min(outcome.pause_s, longest), now)
        stored = mailbox.fetched(outcome.landed, outcome.gone, outcome.size_bytes, now)
        if outcome.refetched:
            mailbox.health.mended(refetched=outcome.refetched)
        for failure in outcome.failures:
            mailbox.failed(failure, now)
        if stored:
            skip = outcome.withheld
            if len(stored) < len(outcome.landed):
                skip += tuple(key for key in outcome.landed if key not in stored)
            self._segment_buffer.hold(
                FetchedBatch(call.user_id, stored, outcome.size_bytes, now, outcome.reference, skip, outcome.classified)
            )
        accounted = {*outcome.landed, *outcome.gone, *(failure.message_id for failure in outcome.failures)}
        mailbox.returned([key for key in call.message_ids if key not in accounted], now)

    def _call_failed(self, mailbox: Mailbox, call: Call, outcome: CallFailed, counts: bool, now: float) -> None:
        mailbox.spent(outcome.units)
        pause = self._error_backoff.pause_s(call.user_id, outcome.retry_after_s)
        if outcome.revoked:
            if counts and not (isinstance(call, Fetch) and call.grant != mailbox.grant):
                mailbox.revoked(outcome.error, now)
                self._scheduler.retry_at(call.user_id, mailbox.due_at())
        else:
            self.quota.pause(call.user_id, "user", pause, now)
            if outcome.scope == "project":
                wait_s = min(outcome.retry_after_s or REPEAT_S, _LONGEST_PROJECT_PAUSE_S)
                self.quota.pause(call.user_id, "project", wait_s, now)
        if isinstance(call, Fetch):
            self._fetch_failed(mailbox, call, outcome, now + pause)
        if not counts or outcome.revoked:
            return
        if isinstance(call, Watch):
            mailbox.watched()  # pushes are optional: a refusal delays nothing
            self._scheduler.watch_at(call.user_id, now + _WATCH_AGAIN_S)
        elif isinstance(call, ReadLabels):
            mailbox.labels_failed()
        elif outcome.history_expired:
            mailbox.history_expired()
            self._slow_down(mailbox, now)
        elif outcome.start_refused:
            mailbox.start_refused(outcome.error)
            self._slow_down(mailbox, now)
        elif outcome.page_refused:
            mailbox.page_refused(outcome.error)
        else:
            mailbox.call_failed(outcome.error)
