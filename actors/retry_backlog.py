"""The backlog of one mailbox: messages to fetch, in flight, buffered for a segment, or failed and to be retried.

Also decides which messages count as deleted.

The backlog has two kinds. A *missing* message is stored once it is fetched; 404 answers count only after a day, unless
the history reports a deletion. A *check* is stored already and in doubt: a listing lacks it, or has it although it
counts as deleted. It is fetched to decide: if it arrives, it is not deleted; two 404 answers with a delay between
them mean that it is deleted.

Pure; the clock is an argument; actors/mailbox.py drives it. State that must outlive the process is in `plan`.
"""

import heapq
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from actors.config import EvidenceConfig, RetryConfig
from actors.decisions import Failure
from actors.plans import BacklogPlan
from storage.model.records import FailedItem, FailedKind

#: Minimum number of 404 responses before a message that was never stored may count as deleted.
_LEAST_404S = 3
#: Number of 404 responses that confirm the deletion of a stored message.
_CHECK_404S = 2
#: Maximum number of ids kept that the history reports as deleted; a forgotten id costs a fetch.
_REMEMBERED = 10_000
#: Failed attempts after which a message is fetched alone.
_ALONE_AFTER = 3
_CHECKS = (FailedKind.CHECK, FailedKind.SUSPECT)


class Backlog:
    """The backlog of one mailbox."""

    def __init__(
        self, user_id: int, failed: Iterable[FailedItem], retry: RetryConfig, evidence: EvidenceConfig
    ) -> None:
        self._user_id, self._retry, self._evidence = user_id, retry, evidence
        self._todo: deque[int] = deque()
        self._waiting: list[tuple[float, int]] = []  # heap of (not before, id)
        self._out: set[int] = set()
        self._held: set[int] = set()
        self._owed: set[int] = set()  # all of todo, waiting, in flight and held
        self._checks: set[int] = set()  # those that are stored
        self._returned: set[int] = set()  # those recorded as deleted
        self._attempts: dict[int, int] = {}
        self._filed = {item.message_id: item for item in failed}  # durable
        self._to_file: dict[int, FailedItem] = {}  # stored by the next commit
        self._settled: set[int] = set()  # gone at Gmail, or stored: their rows are deleted
        self._deletions: dict[int, bool] = {}  # result of a check: whether the message is deleted
        self._dead: dict[int, None] = {}  # deleted, by the history

    # ---- numbers

    @property
    def owed(self) -> Collection[int]:
        """Messages in the backlog, without the filed ones."""
        return self._owed

    @property
    def todo(self) -> int:
        """Messages that can be fetched now."""
        return len(self._todo)

    @property
    def filed(self) -> int:
        """Filed messages, as the next commit will store them."""
        return len((self._filed.keys() | self._to_file.keys()) - self._settled)

    @property
    def missing(self) -> int:
        """Filed messages that are not stored."""
        items = {**self._filed, **self._to_file}
        return sum(item.kind is FailedKind.MISSING for key, item in items.items() if key not in self._settled)

    def due_at(self) -> float | None:
        """When a failed message should be retried (seconds since 1970)."""
        return min((item.not_before.timestamp() for item in self._filed.values()), default=None)

    def wake(self, now: float) -> None:
        """Make messages fetchable whose delay is over."""
        while self._waiting and self._waiting[0][0] <= now:
            message_id = heapq.heappop(self._waiting)[1]
            if message_id in self._owed:
                self._todo.append(message_id)

    def wake_at(self) -> float | None:
        """When the next waiting message may be fetched."""
        return self._waiting[0][0] if self._waiting else None

    # ---- additions

    def owe(self, message_ids: Iterable[int], listed: bool = False) -> int:
        """Add messages that are not stored; return the number of new ones. Filed messages keep their own time.

        listed: a listing names them, so a message that the history reported as deleted is fetched, too.
        """
        dead = () if listed else self._dead
        return self._add(key for key in message_ids if not self._is_filed(key) and key not in dead)

    def owe_due(self, now: float) -> None:
        """Add the failed messages that are due."""
        due = [
            key for key, item in self._filed.items() if item.not_before.timestamp() <= now and key not in self._settled
        ]
        self._checks.update(key for key in due if self._filed[key].kind in _CHECKS)
        self._add(due)

    def check(self, message_ids: Iterable[int], returned: bool = False) -> None:
        """Add stored messages in doubt, each to be fetched alone. returned: they are recorded as deleted."""
        doubted = [key for key in message_ids if not self._is_filed(key) and key not in self._owed]
        self._checks.update(doubted)
        if returned:
            self._returned.update(doubted)
        self._add(doubted)

    def suspect(self, message_ids: Iterable[int], error: str, now: float) -> None:
        """Add stored messages in doubt that are so many that the listing is more likely wrong."""
        not_before = datetime.fromtimestamp(now + self._evidence.suspect_s, UTC)
        for key in message_ids:
            if not self._is_filed(key) and key not in self._owed:
                since = datetime.fromtimestamp(now, UTC)
                self._to_file[key] = FailedItem(self._user_id, key, 0, error, not_before, FailedKind.SUSPECT, since)

    def deleted(self, message_ids: Collection[int]) -> None:
        """Record deletions of the history: messages that are not in flight leave the backlog."""
        for key in message_ids:
            self._dead.pop(key, None)
            self._dead[key] = None
        while len(self._dead) > _REMEMBERED:
            del self._dead[next(iter(self._dead))]
        gone = {key for key in message_ids if key in self._owed or self._is_filed(key)} - self._out - self._held
        if not gone:
            return
        self._todo = deque(key for key in self._todo if key not in gone)
        for key in gone:
            self._release(key)

    def take(self, count: int) -> tuple[int, ...]:
        """The next messages to fetch, at most `count`; they are in flight until their outcome is reported.

        A message that failed several times is fetched alone, so that others do not fail with it.
        """
        ids: list[int] = []
        while self._todo and len(ids) < count:
            alone = self._attempts_of(self._todo[0]) >= _ALONE_AFTER
            if alone and ids:
                break
            ids.append(self._todo.popleft())
            if alone:
                break
        self._out.update(ids)
        return tuple(ids)

    def stop(self) -> None:
        """Request nothing more; fetches in flight and buffered mail continue."""
        self._owed -= {*self._todo, *(key for _, key in self._waiting)}
        self._todo.clear()
        self._waiting.clear()

    # ---- outcomes

    def landed(self, message_ids: Collection[int]) -> tuple[int, ...]:
        """Record fetched messages; return those to store, in order. The others were checks and are not deleted."""
        self._out.difference_update(message_ids)
        for key in self._dead.keys() & set(message_ids) if self._dead else ():
            del self._dead[key]
        alive = self._checks.intersection(message_ids)
        for key in alive:
            self._deletions[key] = False
            self._release(key)
        stored = tuple(key for key in message_ids if key not in alive)
        self._held.update(stored)
        return stored

    def gone(self, message_ids: Collection[int], now: float, waits: bool) -> None:
        """Record 404 answers. waits: a round is in progress, in which they can be retried."""
        for key in message_ids:
            self._out.discard(key)
            if key in self._checks:
                self._check_gone(key, now)
            elif key in self._dead or self._is_gone_for_good(key, now):
                self._release(key)
            else:
                error = "Gmail named this message and answers that it has none of that id (404)"
                self.failed(Failure(key, error, retryable=True, charged=True), now, waits)

    def failed(self, failure: Failure, now: float, waits: bool) -> None:
        """Record a failed fetch: the message is retried, or filed if it failed too often or can never succeed."""
        key = failure.message_id
        self._out.discard(key)
        if not failure.charged:
            self._wait(key, now + (failure.retry_after_s or 0.0), waits)
            return
        filed = self._filed.get(key)
        if key in self._checks:  # a check counts only 404s
            self._file(key, filed.attempts if filed else 0, failure.error, self._evidence.check_delay_s, now)
            return
        before = filed.attempts if filed else 0
        attempts = self._attempts.get(key, before) + 1
        self._attempts[key] = attempts
        retry = self._retry
        if failure.retryable and attempts - before < retry.attempts:
            delay = min(retry.first_delay_s * 2 ** (attempts - before - 1), retry.longest_delay_s)
            self._wait(key, now + max(delay, failure.retry_after_s or 0.0), waits)
            return
        delay = min(retry.failed_delay_s * 2 ** min(before // retry.attempts, 10), retry.longest_delay_s)
        self._file(key, attempts, failure.error, delay, now)

    def unstorable(self, message_id: int, error: str, now: float) -> None:
        """File a message that arrived and cannot be stored."""
        filed = self._filed.get(message_id)
        self._held.discard(message_id)
        self._file(message_id, (filed.attempts if filed else 0) + 1, error, self._retry.failed_delay_s, now)

    def drop(self) -> None:
        """Discard changes that were not committed."""
        self._to_file.clear()
        self._deletions.clear()
        self._settled.clear()

    def returned(self, message_ids: Iterable[int], not_before: float, waits: bool) -> None:
        """Fetch the message again without counting an attempt: the fetch did not run, or its result was lost."""
        for key in message_ids:
            self._out.discard(key)
            self._held.discard(key)
            if key in self._owed:
                self._wait(key, not_before, waits)

    # ---- commits

    def plan(self, landed: Collection[int]) -> BacklogPlan:
        """This backlog's part of a commit that stores `landed`. Does not change the state."""
        done = self._held & set(landed)
        return BacklogPlan(
            landed=frozenset(done),
            owed=frozenset(self._owed - done),
            failed=tuple(self._to_file.values()),
            settled=frozenset(self._settled | (done & self._filed.keys())),
            deletions=dict(self._deletions),
            revived=sum(key in self._returned for key, deleted in self._deletions.items() if not deleted),
            buried=sum(key not in self._returned for key, deleted in self._deletions.items() if deleted),
        )

    def committed(self, plan: BacklogPlan) -> None:
        """Record that the plan is committed."""
        self._held -= plan.landed
        self._owed -= plan.landed
        for key in plan.settled:
            self._filed.pop(key, None)
            self._settled.discard(key)
        for key in plan.landed:
            self._attempts.pop(key, None)
        for key in plan.deletions:
            self._deletions.pop(key, None)
            self._returned.discard(key)
        for item in plan.failed:
            self._filed[item.message_id] = item
            if self._to_file.get(item.message_id) is item:
                del self._to_file[item.message_id]

    def refile(self, now: float) -> None:
        """Retry all filed messages now, by request; suspect messages become ordinary checks."""
        at = datetime.fromtimestamp(now, UTC)
        for key, item in self._filed.items():
            kind = FailedKind.CHECK if item.kind is FailedKind.SUSPECT else item.kind
            self._filed[key] = replace(item, not_before=min(item.not_before, at), kind=kind)

    # ---- helpers

    def _add(self, message_ids: Iterable[int]) -> int:
        added = 0
        for key in message_ids:
            if key not in self._owed:
                self._owed.add(key)
                self._todo.append(key)
                added += 1
        return added

    def _attempts_of(self, key: int) -> int:
        if key in self._checks:
            return 0  # checks count 404s
        filed = self._filed.get(key)
        return self._attempts.get(key, filed.attempts if filed else 0)

    def _is_filed(self, key: int) -> bool:
        return key in self._to_file or (key in self._filed and key not in self._settled)

    def _is_gone_for_good(self, key: int, now: float) -> bool:
        """Whether a message that was never stored had 404 answers for long enough."""
        item = self._filed.get(key)
        if item is None or item.since is None or item.attempts < _LEAST_404S:
            return False
        return item.since.timestamp() + self._evidence.gone_after_s <= now

    def _check_gone(self, key: int, now: float) -> None:
        filed = self._filed.get(key)
        attempts = (filed.attempts if filed else 0) + 1
        if attempts >= _CHECK_404S or key in self._dead:
            self._deletions[key] = True
            self._release(key)
            return
        error = (
            "a listing lacks this message, and Gmail answers 404 for it: asked once more before it counts as deleted"
        )
        self._file(key, attempts, error, self._evidence.check_delay_s, now)

    def _file(self, key: int, attempts: int, error: str, delay_s: float, now: float) -> None:
        filed = self._filed.get(key)
        since = filed.since if filed and filed.since else datetime.fromtimestamp(now, UTC)
        kind = FailedKind.CHECK if key in self._checks else FailedKind.MISSING
        not_before = datetime.fromtimestamp(now + delay_s, UTC)
        self._to_file[key] = FailedItem(self._user_id, key, attempts, error, not_before, kind, since)
        self._settled.discard(key)
        self._owed.discard(key)
        self._checks.discard(key)
        self._attempts.pop(key, None)

    def _wait(self, key: int, not_before: float, waits: bool) -> None:
        if waits:
            heapq.heappush(self._waiting, (not_before, key))
        else:
            self._owed.discard(key)  # stopped: the next round lists the message again
            self._checks.discard(key)

    def _release(self, key: int) -> None:
        """Remove a message from the backlog."""
        self._owed.discard(key)
        self._checks.discard(key)
        self._attempts.pop(key, None)
        self._to_file.pop(key, None)
        if key in self._filed:
            self._settled.add(key)
