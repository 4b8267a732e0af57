"""The wait reasons of one shard's mailboxes: kept by its owner, one log line per change, stored after a change.

The clock is an argument. A reason begins with the first failure, counts those that follow, and ends with a success of
the same kind of work.
"""

import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from actors.budget import Grant
from actors.decisions import Call, CallFailed, Compare, Fetch, Fetched, Outcome
from actors.wait_kinds import SPENT_S
from storage.errors import BackupError
from storage.model.wait_reasons import WHOLE_SHARD, WaitKind, WaitReason

_LOG = logging.getLogger(__name__)

#: Reasons that a successful call to Gmail ends.
GMAIL = (
    WaitKind.GMAIL_UNREACHABLE,
    WaitKind.GMAIL_REFUSED,
    WaitKind.GMAIL_THROTTLED,
    WaitKind.GMAIL_UNREADABLE,
    WaitKind.QUOTA_SPENT,
    WaitKind.NO_WORKER,
)
#: Reasons that a written segment ends.
ARCHIVE = (WaitKind.DISK_FULL, WaitKind.DISK_READ_ONLY, WaitKind.ARCHIVE_UNUSABLE)
#: Seconds after which a call, or a fetch of many messages, counts as unanswered.
_LATE_CALL_S, _LATE_FETCH_S = 3.0, 10.0
#: Seconds after which a decision without a worker is a reason to wait: workers also start.
_UNBEGUN_S = 1.0
#: Maximum seconds between two requests to the broker while the day's free units are spent.
_SPENT_AGAIN_S = 5.0
#: Seconds between two stores if only the number of attempts changed.
_RECOUNT_S = 5.0


class WaitLog:
    """The wait reasons of one shard's owner."""

    def __init__(self, shard_id: int) -> None:
        self._shard_id = shard_id
        self._reasons: dict[tuple[int, WaitKind], WaitReason] = {}
        self._out: dict[int, tuple[Call, float]] = {}  # calls in flight that are not known to be late, with their start
        self._unbegun: dict[int, tuple[int, float]] = {}  # decisions without a worker: mailbox, and since when
        self._changed, self._recounted = True, False  # an owner first clears its predecessor's reasons
        self._stored_at = -float("inf")
        self._away = False  # the reasons could not be stored

    def waits(
        self, user_id: int, kind: WaitKind, detail: str, now: float, next_attempt_at: float | None = None
    ) -> None:
        """Record a failed attempt. `user_id`: WHOLE_SHARD for all mailboxes of the shard."""
        before = self._reasons.get((user_id, kind))
        since, attempts = (before.since, before.attempts + 1) if before else (now, 1)
        reason = WaitReason(self._shard_id, user_id, kind, detail, since, attempts, next_attempt_at)
        self._reasons[reason.key] = reason
        if before is None:
            self._changed = True
            _LOG.warning("%s waits: %s", self._named(user_id), reason)
        else:
            self._recounted = True
            self._changed |= before.detail != detail

    def ends(self, user_id: int, *kinds: WaitKind) -> None:
        """Record a success, which ends the reason."""
        for kind in kinds:
            if self._reasons.pop((user_id, kind), None) is not None:
                self._changed = True
                _LOG.warning("%s continues: %s has ended", self._named(user_id), kind.value)

    def paced(self, grant: Grant, now: float) -> float:
        """Record whether the day's free units are spent; return seconds until the next request to the broker."""
        if grant.spent_until is None:
            self.ends(WHOLE_SHARD, WaitKind.QUOTA_SPENT)
            return 0.0
        self.waits(WHOLE_SHARD, WaitKind.QUOTA_SPENT, grant.detail, now, grant.spent_until)
        return min(grant.spent_until - now, _SPENT_AGAIN_S)

    def began(self, call: Call, now: float) -> None:
        """Record the start of a call to Gmail."""
        if not isinstance(call, Compare):
            self._out[id(call)] = call, now

    def ended(self, call: Call, outcome: Outcome, now: float, again_at: float) -> None:
        """Record the outcome of a call. `again_at`: when the mailbox's next call may be made."""
        self._out.pop(id(call), None)
        if isinstance(outcome, CallFailed):
            if outcome.kind is not None:
                self.waits(call.user_id, outcome.kind, outcome.error, now, max(again_at, now))
        elif isinstance(outcome, Fetched) and outcome.pause_s is not None:
            kind = WaitKind.GMAIL_THROTTLED if outcome.pause_s < SPENT_S else WaitKind.QUOTA_SPENT
            self.waits(call.user_id, kind, "Gmail asks for patience", now, now + outcome.pause_s)
        elif not isinstance(call, Compare):
            self.ends(call.user_id, *GMAIL)

    def unbegun(self, decisions: Collection[object], now: float) -> None:
        """Record which decisions wait for a worker."""
        before, self._unbegun = self._unbegun, {}
        for decision in decisions:
            key, user_id = id(decision), getattr(decision, "user_id", WHOLE_SHARD)
            self._unbegun[key] = before.get(key, (user_id, now))
            if key in self._out:
                self._out[key] = self._out[key][0], now  # not sent to Gmail yet
        waiting = {user_id for user_id, since in self._unbegun.values() if now - since >= _UNBEGUN_S}
        for user_id in {user_id for user_id, _ in before.values()} - {user_id for user_id, _ in self._unbegun.values()}:
            self.ends(user_id, WaitKind.NO_WORKER)
        for user_id in waiting:
            if (user_id, WaitKind.NO_WORKER) not in self._reasons:
                self.waits(user_id, WaitKind.NO_WORKER, "no worker of the cluster has been free for seconds", now)

    def late(self, now: float) -> None:
        """Record calls that have been unanswered for long; they still continue."""
        for number, (call, since) in list(self._out.items()):
            late_s = _LATE_FETCH_S if isinstance(call, Fetch) else _LATE_CALL_S
            if now - since >= late_s:
                del self._out[number]
                text = f"Gmail, or a worker that asks it, has not answered a call for {late_s:.0f} s"
                self.waits(call.user_id, WaitKind.GMAIL_UNREACHABLE, text, now)

    def of(self, user_id: int) -> list[WaitReason]:
        """The reasons of a mailbox and of the whole shard."""
        return [reason for reason in self._reasons.values() if reason.user_id in (user_id, WHOLE_SHARD)]

    def all(self) -> list[WaitReason]:
        """All reasons."""
        return list(self._reasons.values())

    async def store(self, write: Callable[[list[WaitReason]], Coroutine[Any, Any, None]], now: float) -> None:
        """Store the reasons if they changed; a failed store is repeated later."""
        if not (self._changed or (self._recounted and now >= self._stored_at + _RECOUNT_S)):
            return
        self._changed = self._recounted = False
        try:
            await write(self.all())
        except BackupError as exc:
            self._changed = self._away = True
            self.waits(WHOLE_SHARD, WaitKind.DATABASE_UNREACHABLE, str(exc), now)
        else:
            self._stored_at = now
            if self._away:
                self._away = False
                self.ends(WHOLE_SHARD, WaitKind.DATABASE_UNREACHABLE)

    def _named(self, user_id: int) -> str:
        return f"Shard {self._shard_id}" + (f", mailbox {user_id}," if user_id != WHOLE_SHARD else "")
