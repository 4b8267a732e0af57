"""Carries out what a restore decides (restore.py): a few calls at a time, each within the quota, each recorded.

The intent of an import is committed before the call, and its outcome after it. Told to stop, the driver begins nothing
more and waits for the calls under way. Killed, it leaves messages that are "sent": the next run looks for them.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from jobs.gmail.errors import (
    GmailError,
    GmailRefused,
    GrantRevoked,
    Throttled,
    TokenRejected,
)
from jobs.gmail.errors import NotFound as Gone
from jobs.gmail.writes import GmailWriter, WriteUncertain
from jobs.restoring.label_creation import TargetLabels
from jobs.restoring.planning import difference, label_change, likeness, rfc822_message_id
from jobs.restoring.restore import (
    Again,
    Done,
    Import,
    Look,
    NotFound,
    Outcome,
    Patience,
    Refused,
    Relabel,
    RestoreWork,
    Step,
    Uncertain,
)
from storage.control.restore_records import (
    GrantEnded,
    MessageOutcome,
    RestoreConflict,
    RestoreMessage,
    RestoreState,
)
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.files.blobs import FileDamaged

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Seconds between two looks whether the restore is to stop.
_LOOK_S = 0.5
#: Seconds for which a history id of the target is good enough to search from.
_HISTORY_S = 60.0
#: The detail of a message that was found after an uncertain import, but not by its bytes.
_ALIKE = "found by its Message-ID and its body: Gmail has other header fields"


class Quota(Protocol):
    """Lets calls out within the mailbox's and the project's allowance. `cluster.restore_quota.OwnerQuota` is one."""

    async def take(self, method: str) -> None:
        """Return once a call of a Gmail method may be made."""

    def returned(self, method: str) -> None:
        """A call that was let out came back."""

    def throttled(self, fault: Throttled) -> None:
        """Gmail asked for a pause."""


class Ledger(Protocol):
    """Where intents and outcomes are kept. `storage.control.restores.Restores` is one. Blocking."""

    def standing(self, restore_id: int) -> tuple[RestoreState, int]:
        """Its state, and the number of its newest run."""

    def intend(self, restore_id: int, message_ids: Sequence[int], history_id: int | None, run: int) -> set[int]: ...

    def record(self, restore_id: int, outcomes: Sequence[MessageOutcome]) -> None: ...


class Tokens(Protocol):
    """Access tokens of the target mailbox."""

    async def get(self) -> str: ...

    def reject(self, token: str) -> None: ...


class Machine(Protocol):
    """Time and threads: real ones, or a simulation's."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    async def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """The result of blocking work."""


class RestoreDriver:
    """Works on one planned restore until it is done or told to stop."""

    def __init__(
        self,
        restore_id: int,
        ledger: Ledger,
        gmail: GmailWriter,
        labels: TargetLabels,
        raw: Callable[[RestoreMessage], bytes],
        quota: Quota,
        tokens: Tokens,
        machine: Machine,
        patience: Patience,
        concurrency: int,
        run: int,
    ) -> None:
        """`raw`: the exact bytes of a message, verified. `concurrency`: calls under way at a time.

        run: number of this run of the restore: once a newer one has begun, this one may import nothing more.
        """
        self._run = run
        self._restore_id, self._ledger, self._gmail, self._labels = restore_id, ledger, gmail, labels
        self._raw, self._quota, self._tokens, self._machine = raw, quota, tokens, machine
        self._patience, self._concurrency = patience, concurrency
        self._history: tuple[int, float] | None = None
        self._since: dict[int, int] = {}  # message -> history id from before its first import
        self._fatal: BackupError | None = None

    async def run(self, messages: Sequence[RestoreMessage], threads: Mapping[int, int]) -> RestoreState:
        """Restore what is left; the state to end in.

        Raises:
            GrantRevoked, GmailRefused: Google does not let us write into the mailbox.
            RestoreConflict: a newer run works on the restore.
            GrantEnded: the grant by which it was begun has ended.
        """
        work = RestoreWork(messages, threads, self._patience, self._machine.now())
        tasks: set[asyncio.Task[None]] = set()
        state, looked_at = RestoreState.RUNNING, -_LOOK_S
        try:
            while work.left or tasks:  # what is no longer left may still have to be recorded
                now = self._machine.now()
                if now - looked_at >= _LOOK_S:
                    state, looked_at = await self._state(), now
                stopping = state is not RestoreState.RUNNING or self._fatal is not None
                while not stopping and len(tasks) < self._concurrency and (step := work.take(now)):
                    tasks.add(asyncio.create_task(self._carry_out(work, step)))
                if stopping and not tasks:
                    break
                full = stopping or len(tasks) >= self._concurrency  # what is due has to wait for a call to come back
                tasks = await self._wait(tasks, None if full else work.wake_at(), now)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._fatal is not None:
            raise self._fatal
        return _stopped(state) if work.left else RestoreState.COMPLETE

    async def _state(self) -> RestoreState:
        try:
            state, run = await self._machine.run(self._ledger.standing, self._restore_id)
        except DatabaseUnreachable as exc:  # nothing can be recorded: begin nothing until it is back
            _LOG.warning("The restore waits: %s", exc)
            await self._machine.sleep(_LOOK_S)
            return await self._state()
        except GrantEnded as exc:  # what is under way ends, and nothing more begins
            self._fatal = self._fatal or exc
            return RestoreState.RUNNING
        if run != self._run:
            self._fatal = self._fatal or RestoreConflict(self._restore_id, "worked on by a newer run")
        return state

    async def _wait(self, tasks: set[asyncio.Task[None]], wake_at: float | None, now: float) -> set[asyncio.Task[None]]:
        """Wait for a step, for a look at the state, or until something is due; the steps still under way."""
        pause_s = _LOOK_S if wake_at is None else min(max(wake_at - now, 0.0), _LOOK_S)
        timer = asyncio.ensure_future(self._machine.sleep(pause_s))
        try:
            done, _ = await asyncio.wait({*tasks, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        for task in done - {timer}:
            task.result()  # a defect of ours ends the run
        return tasks - done

    async def _carry_out(self, work: RestoreWork, step: Step) -> None:
        outcome = await self._outcome(step)
        recorded = work.answered(step, outcome, self._machine.now())
        while recorded is not None:
            try:
                await self._machine.run(self._ledger.record, self._restore_id, [recorded])
                break
            except DatabaseUnreachable as exc:
                _LOG.warning("What became of a message cannot be recorded yet: %s", exc)
                await self._machine.sleep(_LOOK_S)

    async def _outcome(self, step: Step) -> Outcome:
        try:
            if isinstance(step, Import):
                return await self._import(step)
            if isinstance(step, Look):
                return await self._look(step)
            return await self._relabel(step)
        except WriteUncertain as exc:
            return Uncertain(exc.reason)
        except FileDamaged as exc:
            return Refused(str(exc))
        except DatabaseUnreachable as exc:
            return Again(str(exc), counts=False)
        except GrantRevoked as exc:
            self._fatal = exc
            return Again(str(exc), counts=False)
        except GmailError as exc:
            return self._fault(step, exc)

    def _fault(self, step: Step, fault: GmailError) -> Outcome:
        """What a call that was not made means."""
        if isinstance(fault, Throttled):
            self._quota.throttled(fault)
            return Again(fault.reason, fault.retry_after_s, counts=False)
        if isinstance(fault, TokenRejected):
            return Again(fault.reason, counts=False)
        if isinstance(fault, GmailRefused) and fault.status == 403:  # the scope is missing, or the API is off
            self._fatal = fault
            return Again(fault.reason, counts=False)
        if isinstance(step, Import) and isinstance(fault, Gone | GmailRefused):
            if step.thread_id is not None:
                return Again(fault.reason, alone=True)
            return Refused(str(fault))
        if isinstance(fault, Gone):
            return Refused("it has left the mailbox since the restore began: restore it again")
        if isinstance(fault, GmailRefused):
            return Refused(str(fault))
        return Again(str(fault), fault.retry_after_s)

    async def _import(self, step: Import) -> Outcome:
        message = step.message
        raw = await self._machine.run(self._raw, message)
        labels = self._labels.of(message.labels)
        history_id = await self._history_id()
        self._since.setdefault(message.message_id, history_id)
        await self._quota.take("messages.import")
        try:
            token = await self._tokens.get()
            intended = await self._machine.run(
                self._ledger.intend, self._restore_id, [message.message_id], history_id, self._run
            )
            if message.message_id not in intended:
                self._fatal = RestoreConflict(self._restore_id, "worked on by a newer run")
                return Again(str(self._fatal), counts=False)
            made = await self._call(self._gmail.import_message, token, raw, labels, step.thread_id)
        except GmailRefused as exc:
            refused = self._labels.named_by(exc.reason, labels) if exc.status == 400 else None
            if refused is None:
                raise
            await self._labels.refused(refused, exc.reason)
            return Again(exc.reason)
        finally:
            self._quota.returned("messages.import")
        return Done(made.message_id, made.thread_id, difference(raw, message.received_at))

    async def _look(self, step: Look) -> Outcome:
        """By Message-ID, then among what has come since before the first call: a search may lag behind.

        What has other bytes than the message, as Gmail may add header fields, must have come since then: what was there
        before is another message.
        """
        message = step.message
        others: dict[int, tuple[int | None, int]] = {}
        raw = await self._machine.run(self._raw, message)
        rfc822_id = rfc822_message_id(raw)
        if rfc822_id is not None:
            found = await self._ask("messages.list", self._gmail.with_message_id, rfc822_id)
            others = await self._compared(raw, [each for each in found if each not in step.claimed])
        came: set[int] = set()
        since, page_token = message.history_id or self._since.get(message.message_id), None
        try:
            while since is not None and not any(rank == 0 for rank, _ in others.values()):
                ids, page_token = await self._ask("history.list", self._gmail.added_since, since, page_token)
                came.update(ids)
                new = [each for each in ids if each not in step.claimed and each not in others]
                others |= await self._compared(raw, new)
                if page_token is None:
                    break
        except Gone:
            _LOG.info("Gmail forgot its history from before message %s was sent", message.message_id)
        matches = [
            (rank, each, thread_id)
            for each, (rank, thread_id) in others.items()
            if rank == 0 or (rank is not None and each in came)
        ]
        if not matches:
            return NotFound()
        rank, new_id, thread_id = min(matches)
        differences = [difference(raw, message.received_at), _ALIKE if rank == 2 else None]
        return Done(new_id, thread_id, "; ".join(filter(None, differences)) or None)

    async def _compared(self, raw: bytes, candidates: Sequence[int]) -> dict[int, tuple[int | None, int]]:
        """How alike each candidate is (planning.likeness), and its thread; none after one with the same bytes."""
        compared: dict[int, tuple[int | None, int]] = {}
        for candidate in dict.fromkeys(candidates):
            try:
                there, thread_id = await self._ask("messages.get", self._gmail.raw, candidate)
            except Gone:
                continue
            compared[candidate] = likeness(raw, there), thread_id
            if compared[candidate][0] == 0:
                break
        return compared

    async def _relabel(self, step: Relabel) -> Outcome:
        has = self._labels.held(step.new_id)
        add, remove = label_change(self._labels.of(step.message.labels), has)
        if add or remove:
            await self._ask("messages.modify", self._gmail.modify, step.new_id, add, remove)
        there = step.message.new_thread
        return Done(step.new_id, step.message.thread_id if there is None else there)

    async def _history_id(self) -> int:
        """A recent history id of the target, from before the next call."""
        now = self._machine.now()
        if self._history is None or now - self._history[1] > _HISTORY_S:
            self._history = (await self._ask("getProfile", self._gmail.history_id), now)
        return self._history[0]

    async def _ask(self, method: str, call: Callable[..., _T], *arguments: Any) -> _T:
        await self._quota.take(method)
        try:
            return await self._call(call, await self._tokens.get(), *arguments)
        finally:
            self._quota.returned(method)

    async def _call(self, call: Callable[..., _T], token: str, *arguments: Any) -> _T:
        try:
            return await self._machine.run(call, token, *arguments)
        except TokenRejected:
            self._tokens.reject(token)
            raise


def _stopped(state: RestoreState) -> RestoreState:
    return RestoreState.CANCELLED if state is RestoreState.CANCELLING else RestoreState.PAUSED
