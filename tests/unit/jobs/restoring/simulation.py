"""A restore against the simulator in this process: virtual time, seeded faults, and kills at any point."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from random import Random
from typing import Any, TypeVar

from cluster.simulator.call import HttpCall
from cluster.simulator.config import FaultKind
from cluster.simulator.faults import Faults
from cluster.simulator.mailbox import SimulatedMailbox
from cluster.simulator.oauth import Grants
from cluster.simulator.quota import Quota
from cluster.simulator.routes import GmailApi
from jobs.gmail.api import Call
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import GmailRefused, GmailUnavailable, Throttled, TokenRejected
from jobs.gmail.records import Label
from jobs.gmail.transport import Answer
from jobs.gmail.writes import GmailWriter, WriteUncertain
from jobs.restoring.driver import RestoreDriver
from jobs.restoring.label_creation import TargetLabels
from jobs.restoring.labels import plan_labels
from jobs.restoring.planning import TargetMessage, planned, threads_of
from jobs.restoring.restore import Patience
from storage.control.restore_records import (
    LabelOutcome,
    MessageOutcome,
    RestoreMessage,
    RestoreState,
)
from storage.model.message_id import from_hex

_T = TypeVar("_T")
_URL = "http://127.0.0.1:1"
_START = 1_700_000_000.0


class Killed(BaseException):
    """The process ends here."""


@dataclass
class MemoryLedger:
    """`storage.control.restores.Restores`, in memory."""

    rows: dict[int, RestoreMessage] = field(default_factory=dict)
    labels: dict[str, LabelOutcome] = field(default_factory=dict)
    state: RestoreState = RestoreState.RUNNING
    run: int = 1

    def standing(self, _restore_id: int) -> tuple[RestoreState, int]:
        return self.state, self.run

    def intend(self, _restore_id: int, message_ids: Sequence[int], history_id: int | None, run: int) -> set[int]:
        if run != self.run:
            return set()
        there = {key for key in message_ids if self.rows[key].state in ("pending", "sent")}
        for key in there:
            row = self.rows[key]
            first = row.history_id or history_id
            self.rows[key] = replace(row, state="sent", attempts=row.attempts + 1, history_id=first)
        return there

    def record(self, _restore_id: int, outcomes: Sequence[MessageOutcome]) -> None:
        for each in outcomes:
            row = self.rows[each.message_id]
            new_id = row.new_id if each.new_id is None else each.new_id
            thread = row.new_thread if each.new_thread is None else each.new_thread
            detail = each.detail or row.detail
            self.rows[each.message_id] = replace(row, state=each.state, new_id=new_id, new_thread=thread, detail=detail)

    @property
    def messages(self) -> list[RestoreMessage]:
        return sorted(self.rows.values(), key=lambda row: row.position)


class World:
    """A mailbox at the simulator, and a process that restores into it until it is killed."""

    def __init__(self, mailbox: SimulatedMailbox, seed: int, fault_rate: float = 0.0, kills: int = 0) -> None:
        self.chance, self.clock = Random(seed), _START
        self.grants = Grants([mailbox.email], seed, 1e9)
        kinds: tuple[FaultKind, ...] = ("429", "403-userRateLimitExceeded", "500", "503", "cut", "lost")
        self.faults = Faults(fault_rate, kinds, seed)
        self.api = GmailApi({mailbox.email: mailbox}, self.grants, Quota("unlimited", {}, 1), self.faults)
        self.api.url = _URL
        self.mailbox, self.kills, self.killed = mailbox, kills, 0
        self.steps_left = self._life()
        account = self.grants.authorized_user(mailbox.email, _URL)
        form = {name: [account[name]] for name in ("client_id", "client_secret", "refresh_token")}
        answer = self.grants.token(form | {"grant_type": ["refresh_token"]}, self.clock)
        self.token = answer.body.split(b'"access_token":"')[1].split(b'"')[0].decode()
        self.overlapping = 0

    def _life(self) -> int | None:
        """Blocking calls until the process is killed."""
        return self.chance.randrange(1, 40) if self.killed < self.kills else None

    # jobs.gmail.writes.Sends

    def send(self, call: Call, token: str) -> Answer:
        broken = self.faults.of_connection()
        headers = {name.lower(): value for name, value in call.headers.items()}
        asked = HttpCall(
            call.method,
            call.url.removeprefix(_URL),
            f"Bearer {token}",
            headers.get("content-type", ""),
            call.body or b"",
            headers.get("content-range", ""),
            headers.get("x-upload-content-length", ""),
        )
        answer = self.api.call(asked, self.clock)
        told = {name.lower(): value for name, value in answer.headers}
        fault = GmailUnavailable("the connection closed") if broken else None
        return Answer(0 if broken else answer.status, told, b"" if broken else answer.body, fault, sent=True)

    # jobs.restoring.driver.Machine

    def now(self) -> float:
        return self.clock

    async def sleep(self, seconds: float) -> None:
        self.clock += seconds
        await asyncio.sleep(0)

    async def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Blocking work, before or after which the process may be killed."""
        for _ in range(self.chance.randrange(3)):
            await asyncio.sleep(0)
        self.clock += 0.01
        self._maybe_killed()
        done = work(*arguments)
        self._maybe_killed()
        return done

    def _maybe_killed(self) -> None:
        if self.steps_left is None:
            return
        self.steps_left -= 1
        if self.steps_left <= 0:
            raise Killed

    def reborn(self) -> None:
        """Another process begins."""
        self.killed += 1
        self.steps_left = self._life()

    # Quota, Tokens

    async def take(self, _method: str) -> None:
        await asyncio.sleep(0)

    def returned(self, _method: str) -> None:
        return

    def throttled(self, fault: Throttled) -> None:
        self.clock += fault.retry_after_s or 1.0

    async def get(self) -> str:
        return self.token

    def reject(self, token: str) -> None:
        raise AssertionError(token)

    # LabelCalls

    async def labels(self) -> list[Label]:
        return await self._patient(lambda: self.writer.labels(self.token))

    async def create(self, name: str, visibility: str, color: str) -> Label:
        return await self._patient(lambda: self.writer.create_label(self.token, name, visibility, color))

    async def _patient(self, call: Callable[[], _T]) -> _T:
        while True:
            try:
                return await self.run(call)
            except (WriteUncertain, GmailRefused):
                raise
            except (GmailUnavailable, Throttled, TokenRejected):
                await self.sleep(1.0)

    @cached_property
    def writer(self) -> GmailWriter:
        config = GmailConfig(endpoint=_URL)
        now = lambda: datetime.fromtimestamp(self.clock, UTC)  # noqa: E731
        return GmailWriter(config, self, now, one_request_bytes=20_000, part_bytes=256 * 1024)


@dataclass
class Archive:
    """What a backup has of a mailbox at one time."""

    messages: dict[int, tuple[RestoreMessage, bytes]]
    labels: list[Label]

    @classmethod
    def of(cls, mailbox: SimulatedMailbox) -> "Archive":
        rows = {}
        for message in mailbox.messages.values():
            number = from_hex(message.id)
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=message.internal_date_ms)
            digest, thread = sha256(message.raw).digest(), from_hex(message.thread_id)
            labels = tuple(sorted(message.labels))
            rows[number] = (
                RestoreMessage(number, 0, thread, at, digest, len(message.raw), labels),
                message.raw,
            )
        system = [Label(name, name, "system") for name in ("INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD")]
        system += [Label(name, name, "system") for name in ("STARRED", "IMPORTANT", "CATEGORY_UPDATES")]
        looks = mailbox.label_looks
        users = [
            Label(key, name, "user", looks.get(key, {}).get("_v", ""), looks.get(key, {}).get("_c", ""))
            for key, name in mailbox.labels.items()
        ]
        return cls(rows, system + users)


def held_of(mailbox: SimulatedMailbox) -> dict[int, TargetMessage]:
    return {
        from_hex(message.id): TargetMessage(sha256(message.raw).digest(), from_hex(message.thread_id), message.labels)
        for message in mailbox.messages.values()
    }


async def restore(
    world: World, archive: Archive, chosen: Sequence[int], same_mailbox: bool, relabel: bool = False
) -> MemoryLedger:
    """Restore until it is complete, in as many processes as it takes."""
    ledger = MemoryLedger()
    selected = [archive.messages[number][0] for number in chosen]
    held = held_of(world.mailbox)
    rows = planned(selected, held, same_mailbox, relabel)
    ledger.rows = {row.message_id: row for row in rows}
    threads = threads_of(rows, held, same_mailbox)
    used = {label for row in rows for label in row.labels}
    while True:
        try:
            there = await world.labels()
            steps = plan_labels([each for each in archive.labels if each.id in used], there, archive.labels)
            labels = {number: has.labels for number, has in held.items()}
            target = TargetLabels(world, ledger.labels.values(), labels, lambda each: _keep(ledger, each))
            await target.prepare(steps)
            raw = lambda row: archive.messages[row.message_id][1]  # noqa: E731
            driver = RestoreDriver(
                1, ledger, world.writer, target, raw, world, world, world, Patience(settle_s=5.0, attempts=60), 6, 1
            )
            await driver.run(ledger.messages, threads)
            return ledger
        except Killed:
            world.reborn()


def _keep(ledger: MemoryLedger, outcome: LabelOutcome) -> None:
    ledger.labels[outcome.label_id] = outcome
