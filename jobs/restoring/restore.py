"""What a restore does next, message by message. Pure: no I/O, no clock, no randomness; driver.py carries it out.

A message is imported only when it is certain that no earlier import of it succeeded. After an uncertain answer, and for
a message that a crash left "sent", Gmail is asked first, some seconds later and more than once, because what has just
been imported may not be found at once. Meanwhile no message with the same bytes is under way, so what is found is that
message; what other messages have been found or answered to be is never taken for it.

The first message of a thread goes alone: its answer says which thread of the target the others join.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from storage.control.restore_records import MessageOutcome, RestoreMessage


@dataclass(frozen=True, slots=True)
class Patience:
    """settle_s: seconds from an uncertain answer to the first look, and between looks; looks: how many find nothing
    before a message is sent again. first_s, longest_s: seconds before a call that failed is repeated; doubles.
    attempts: calls for one message that fail, of which nobody says that repeating is useless. landing_s: seconds in
    which an import of an earlier run may still reach Gmail.
    """

    settle_s: float = 20.0
    looks: int = 2
    first_s: float = 1.0
    longest_s: float = 120.0
    attempts: int = 12
    landing_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Import:
    """Import a message, into a thread of the target or a new one. The intent is recorded before the call."""

    message: RestoreMessage
    thread_id: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """Look whether a message has been imported. Ids in `claimed` are other messages."""

    message: RestoreMessage
    claimed: frozenset[int]


@dataclass(frozen=True, slots=True)
class Relabel:
    """Give a message that the target has its labels back."""

    message: RestoreMessage
    new_id: int


Step = Import | Look | Relabel


@dataclass(frozen=True, slots=True)
class Done:
    """It is in the target mailbox, as this message of this thread. detail: what is different about it."""

    new_id: int
    new_thread: int
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A call was sent, and nobody knows what became of it."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The look found nothing."""


@dataclass(frozen=True, slots=True)
class Again:
    """Nothing was done; it may succeed later. after_s: seconds that Gmail asked for. counts: it was no limit of Gmail's
    and no fault of ours, so it may be the message. alone: not into the thread that was named: Gmail has no such thread.
    """

    reason: str
    after_s: float | None = None
    counts: bool = True
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was done, and it never will succeed."""

    reason: str


Outcome = Done | Uncertain | NotFound | Again | Refused


class RestoreWork:
    """The messages of one restore that are left to do."""

    def __init__(
        self, messages: Iterable[RestoreMessage], threads: Mapping[int, int], patience: Patience, now: float
    ) -> None:
        """`messages`: all of the restore; `threads`: those of the archive that the target has. `now`: seconds."""
        self._patience = patience
        self._threads = dict(threads)
        self._opening: dict[int, int] = {}  # thread that the target lacks -> the message that will open it
        self._bytes_out: dict[bytes, int] = {}  # SHA-256 -> the message with these bytes that is under way or uncertain
        self._behind: dict[int | bytes, list[RestoreMessage]] = defaultdict(list)  # waiting for a thread, or for bytes
        self._ready: list[tuple[int, int]] = []
        self._later: list[tuple[float, int]] = []  # (when, message)
        self._messages: dict[int, RestoreMessage] = {}  # those that are left
        self._claimed: set[int] = set()
        self._looked: dict[int, int] = defaultdict(int)
        self._failed: dict[int, int] = defaultdict(int)
        self._uncertain: set[int] = set()
        self._landing: dict[int, float] = {}  # message that an earlier run sent -> when that can no longer arrive
        self._alone: set[int] = set()
        self._out: set[int] = set()
        for message in messages:
            if message.new_id is not None:
                self._claimed.add(message.new_id)
            if message.state == "done" and message.new_thread is not None:
                self._threads.setdefault(message.thread_id, message.new_thread)
            if message.state in ("pending", "sent", "relabel"):
                self._messages[message.message_id] = message
        for message in self._messages.values():
            if message.state == "sent":
                self._uncertain.add(message.message_id)
                self._landing[message.message_id] = now + max(patience.landing_s - (message.sent_ago_s or 0.0), 0.0)
                if self._bytes_out.setdefault(message.sha256, message.message_id) != message.message_id:
                    self._behind[message.sha256].append(message)
                    continue
                self._hold(message)
                self._at(message, max(now + patience.settle_s, self._landing[message.message_id]))
            else:
                heapq.heappush(self._ready, (message.position, message.message_id))

    @property
    def left(self) -> int:
        """Messages that are left."""
        return len(self._messages)

    @property
    def out(self) -> int:
        """Steps under way."""
        return len(self._out)

    def wake_at(self) -> float | None:
        """When there may be something to do again, if nothing comes back before."""
        return self._later[0][0] if self._later else None

    def take(self, now: float) -> Step | None:
        """The next step, to be answered; None: nothing can be done now."""
        while self._later and self._later[0][0] <= now:
            _, message_id = heapq.heappop(self._later)
            if message_id in self._uncertain:
                self._out.add(message_id)
                return Look(self._messages[message_id], frozenset(self._claimed))
            heapq.heappush(self._ready, (self._messages[message_id].position, message_id))
        while self._ready:
            message = self._messages[heapq.heappop(self._ready)[1]]
            if message.state == "relabel":
                assert message.new_id is not None
                self._out.add(message.message_id)
                return Relabel(message, message.new_id)
            if self._must_wait(message):
                continue
            self._hold(message)
            if self._landing.get(message.message_id, now) > now:
                self._at(message, self._landing[message.message_id])
                continue
            if message.message_id in self._uncertain:
                self._out.add(message.message_id)
                return Look(message, frozenset(self._claimed))
            self._out.add(message.message_id)
            alone = message.message_id in self._alone
            return Import(message, None if alone else self._threads.get(message.thread_id))
        return None

    def answered(self, step: Step, outcome: Outcome, now: float) -> MessageOutcome | None:
        """What became of a step; what is to be recorded of its message."""
        message = step.message
        self._out.discard(message.message_id)
        if isinstance(outcome, Done):
            self._claimed.add(outcome.new_id)
            self._threads.setdefault(message.thread_id, outcome.new_thread)
            self._end(message)
            state = "present" if isinstance(step, Relabel) else "done"
            return MessageOutcome(message.message_id, state, outcome.new_id, outcome.new_thread, outcome.detail)
        if isinstance(outcome, Refused):
            return self._give_up(message, outcome.reason)
        if isinstance(outcome, Uncertain):
            self._uncertain.add(message.message_id)
            self._looked[message.message_id] = 0
            self._failed[message.message_id] += 1
            self._at(message, now + self._patience.settle_s)
            return None
        if isinstance(outcome, NotFound):
            return self._not_found(message, now)
        if outcome.alone:
            self._alone.add(message.message_id)
        elif outcome.counts:
            self._failed[message.message_id] += 1
            if self._failed[message.message_id] >= self._patience.attempts:
                doubt = "whether it was imported is not known: " if isinstance(step, Look) else ""
                return self._give_up(message, doubt + outcome.reason)
        tries = min(max(self._failed[message.message_id] - 1, 0), 30)
        wait_s = min(self._patience.first_s * 2**tries, self._patience.longest_s)
        self._at(message, now + max(wait_s, outcome.after_s or 0.0))
        return None

    def _not_found(self, message: RestoreMessage, now: float) -> MessageOutcome | None:
        self._looked[message.message_id] += 1
        if self._looked[message.message_id] < self._patience.looks:
            self._at(message, now + self._patience.settle_s)
            return None
        self._uncertain.discard(message.message_id)
        if self._failed[message.message_id] >= self._patience.attempts:
            return self._give_up(message, "its import failed again and again, and it is not in the mailbox")
        heapq.heappush(self._ready, (message.position, message.message_id))
        return None

    def _at(self, message: RestoreMessage, when: float) -> None:
        heapq.heappush(self._later, (when, message.message_id))

    def _must_wait(self, message: RestoreMessage) -> bool:
        opener = self._opening.get(message.thread_id, message.message_id)
        if opener != message.message_id:
            self._behind[message.thread_id].append(message)
            return True
        if self._bytes_out.get(message.sha256, message.message_id) != message.message_id:
            self._behind[message.sha256].append(message)
            return True
        return False

    def _hold(self, message: RestoreMessage) -> None:
        """Let nothing of the same thread, while the target lacks it, and nothing with the same bytes go meanwhile."""
        if message.thread_id not in self._threads:
            self._opening.setdefault(message.thread_id, message.message_id)
        self._bytes_out.setdefault(message.sha256, message.message_id)

    def _give_up(self, message: RestoreMessage, reason: str) -> MessageOutcome:
        self._end(message)
        return MessageOutcome(message.message_id, "failed", detail=reason[:500])

    def _end(self, message: RestoreMessage) -> None:
        del self._messages[message.message_id]
        self._uncertain.discard(message.message_id)
        freed: list[RestoreMessage] = []
        if self._opening.get(message.thread_id) == message.message_id:
            del self._opening[message.thread_id]
            freed += self._behind.pop(message.thread_id, [])
        if self._bytes_out.get(message.sha256) == message.message_id:
            del self._bytes_out[message.sha256]
            freed += self._behind.pop(message.sha256, [])
        for other in freed:
            heapq.heappush(self._ready, (other.position, other.message_id))
