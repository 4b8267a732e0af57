"""The world around a `Shard`: a virtual clock, a seeded scheduler, faults, crashes, and people who change their mail.

Everything that takes time is an event; an owner's events die with it, except commits that Postgres has already been
sent. `run` ends when all is quiet, with the faults off and one more round asked of every mailbox. Compaction goes on
beside it (simulation/compaction.py).
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from actors.broker import QuotaBroker
from actors.budget import Demand
from actors.config import RetryConfig, ShardConfig
from actors.decisions import (
    Call,
    CallFailed,
    CommitNow,
    Compare,
    Compared,
    Failure,
    Fetch,
    Fetched,
    Listed,
    ListPage,
    Mode,
    Outcome,
    Pin,
    Pinned,
    ReadHistory,
    Watch,
    Watched,
    Write,
    Written,
)
from actors.quota import ShardQuota
from actors.reconcile import differences
from actors.shard import Shard
from jobs.gmail.config import GmailConfig
from storage.catalog import AlreadyStored
from storage.config import ArchiveConfig
from storage.leases import LeaseLost
from storage.records import SegmentManifest
from tests.unit.actors.simulation import invariants
from tests.unit.actors.simulation.compaction import Compaction
from tests.unit.actors.simulation.gmail import LABELS, Copy, GmailBox
from tests.unit.actors.simulation.postgres import ModelPostgres

_STEPS = 60_000
_HORIZON_S = 90.0


@dataclass(slots=True, eq=False)
class Owner:
    """One process that owns, or thinks that it owns, the shard."""

    shard: Shard
    quota: ShardQuota
    compaction: Compaction
    alive: bool = True
    deciding: bool = False  # a look at `decide` is scheduled
    asking: bool = False  # the broker is being asked
    wake: int = 0  # number of the wake-up that counts
    out: set[tuple[int, int]] = field(default_factory=set)  # messages being fetched
    fetches: list[int] = field(default_factory=list)  # users whose fetches are out
    writes: int = 0
    committing: bool = False


class World:
    """One run. The same seed gives the same run, to the last event."""

    def __init__(self, seed: int, postgres: ModelPostgres | None = None) -> None:
        self.seed, self.random = seed, Random(seed)
        random = self.random
        self.now, self.steps, self.calm = 1_000_000.0, 0, False
        self.postgres = postgres or ModelPostgres()
        self.segments = 0
        self._events: list[tuple[float, int, Owner | None, bool, Callable[[], None]]] = []
        self._numbers = 0
        self._busy = 0  # events that are not wake-ups
        self._fault_rate = random.choice([0.0, 0.1, 0.3])
        self._slowness = random.choice([0.05, 0.5, 3.0])
        self.gmail = GmailConfig(
            quota_profile="standard",
            cost_overrides={"messages.get": random.choice([20, 40, 100, 170])},
            units_per_project=random.choice([None, 9_000, 30_000]),
        )
        self.config = ShardConfig(
            fetch_size=random.randint(2, 8),
            fetches=random.randint(1, 3),
            fetches_per_mailbox=random.randint(1, 3),
            calls=random.randint(1, 4),
            listed_ahead=random.randint(3, 20),
            writes=random.randint(1, 2),
            buffer_bytes=random.choice([300, 2000, 10_000]),
            typical_message_bytes=100,
            retry=RetryConfig(attempts=3, first_delay_s=1.0, filed_delay_s=20.0, longest_delay_s=600.0),
        )
        self.archive = ArchiveConfig(segment_bytes=1500, segment_messages=random.randint(3, 12), segment_age_s=2.1)
        self.archive = self.archive.model_copy(update={"open_segments": 2 + seed % 4})
        self.broker = QuotaBroker(self.gmail, self.now)
        self._silent_until = 0.0  # the broker is dead until then
        self.spent: dict[int, list[tuple[float, int]]] = {}
        self.spent_by_all: list[tuple[float, int]] = []
        self.boxes: dict[int, GmailBox] = {}
        for user_id in range(1, random.randint(1, 4) + 1):
            self.boxes[user_id] = self._box(user_id)
        self.owner = self._new_owner()
        for user_id in self.boxes:
            self._plan_life(user_id)
        if random.random() < 0.7:
            for _ in range(random.randint(1, 4)):
                self.at(random.uniform(0, _HORIZON_S), None, self._crash)
        for _ in range(random.choice([0, 0, 1, 3])):
            self.at(random.uniform(0, _HORIZON_S), None, self._broker_dies)
        self.at(_HORIZON_S, None, self._calm_down)

    def run(self) -> "World":
        """To the end; AssertionError names the seed and the moment."""
        try:
            self._until_quiet()
            for user_id in self.boxes:
                self._request(user_id, Mode.INCREMENTAL)
            self._until_quiet()
            invariants.at_rest(self)
            while not self.owner.compaction.idle:
                self._step()
            invariants.few_segments(self)
        except AssertionError as exc:
            raise AssertionError(f"seed {self.seed}, step {self.steps}, {self.now - 1_000_000:.3f} s: {exc}") from exc
        return self

    # ---- events

    def at(self, delay_s: float, owner: Owner | None, action: Callable[[], None], wake: bool = False) -> None:
        """Have something happen later, unless its owner is dead by then. `wake`: nobody need wait for it."""
        self._numbers += 1
        self._busy += not wake
        heapq.heappush(self._events, (self.now + delay_s, self._numbers, owner, wake, action))

    def _step(self) -> None:
        self.now, _, owner, wake, action = heapq.heappop(self._events)
        self._busy -= not wake
        self.steps += 1
        assert self.steps < _STEPS, "it does not come to an end"
        if owner is None or owner.alive:
            action()

    def _until_quiet(self) -> None:
        while self._busy or not self._settled():
            assert self._events, f"nothing will ever happen again, but {self._unfinished()}"
            self._step()

    def _settled(self) -> bool:
        return self.owner.shard.quiet and not invariants.will_still_land(self)

    def _unfinished(self) -> str:
        active = [user for user in self.boxes if (box := self.owner.shard.mailbox(user)) is not None and box.active]
        return f"mailboxes {active} are active and {sorted(invariants.will_still_land(self))} are filed"

    def _delay(self) -> float:
        slow = self._slowness if self.random.random() < 0.3 else self._slowness / 20
        return self.random.random() * slow

    def _goes_wrong(self) -> bool:
        return not self.calm and self.random.random() < self._fault_rate

    # ---- life

    def _box(self, user_id: int) -> GmailBox:
        box = GmailBox(user_id, self.random)
        for _ in range(self.random.choice([0, 3, 15, 40])):
            box.arrive()
        box.forgotten = box.history_id
        if self.random.random() < 0.3 and box.messages:
            box.permanent = {self.random.choice(list(box.messages))}
        if self.random.random() < 0.5 and box.messages:
            box.flaky = set(self.random.choices(list(box.messages), k=3))
            self.at(self.random.uniform(5, 60), None, box.flaky.clear)
        return box

    def _plan_life(self, user_id: int) -> None:
        box, random = self.boxes[user_id], self.random

        def often(most: int, action: Callable[[], None]) -> None:
            for _ in range(random.randint(0, most)):
                self.at(random.uniform(0, _HORIZON_S), None, action)

        often(15, box.arrive)
        often(15, box.relabel)
        often(4, box.delete)
        often(8, lambda: self._request(user_id, Mode.INCREMENTAL))
        often(2, lambda: self._request(user_id, Mode.FULL))
        if random.random() < 0.4:
            often(3, lambda: self._stop(user_id))
        if random.random() < 0.4:
            often(3, box.expire)
        if random.random() < 0.3:
            often(2, lambda: self._revoke(user_id))
        self.at(random.uniform(0, 2), None, lambda: self._request(user_id, Mode.FULL))

    def _request(self, user_id: int, mode: Mode) -> None:
        if self.owner.alive:
            self.owner.shard.open(self.postgres.open_mailbox(user_id), (), self.now)
            self.owner.shard.request(user_id, mode, self.now)
            self._news(self.owner)

    def _stop(self, user_id: int) -> None:
        if self.owner.alive and self.owner.shard.mailbox(user_id) is not None:
            self.owner.shard.stop(user_id)
            self._news(self.owner)
            if self.random.random() < 0.5:
                self.at(self._delay(), None, lambda: self._request(user_id, Mode.INCREMENTAL))

    def _revoke(self, user_id: int) -> None:
        self.boxes[user_id].revoked = True
        self.at(self._delay() * 5, None, lambda: self._renew(user_id))

    def _renew(self, user_id: int) -> None:
        self.boxes[user_id].revoked = False
        self._request(user_id, Mode.INCREMENTAL)

    def _calm_down(self) -> None:
        self.calm = True
        for user_id in self.boxes:
            self._renew(user_id)

    def _crash(self) -> None:
        """The owner vanishes, or loses its lease without noticing; the next one opens from Postgres."""
        if not self.owner.alive:
            return
        if self.random.random() < 0.3:
            self._take_over()
        else:
            self.owner.alive = False
            self.at(self._delay(), None, self._take_over)

    def _take_over(self) -> None:
        self.owner = self._new_owner()
        self._news(self.owner)

    def _new_owner(self) -> Owner:
        lease = self.postgres.acquire()
        quota = ShardQuota(self.gmail, 4, self.now, succeeds=lease.epoch > 1)
        shard = Shard(lease, self.config, self.archive, quota)
        for user_id, record in self.postgres.mailboxes.items():
            shard.open(record, self.postgres.failed_of(user_id), self.now)
        owner = Owner(shard, quota, Compaction(self, lease.epoch))
        owner.compaction.look_later(owner)
        return owner

    # ---- the owner's loop

    def _news(self, owner: Owner) -> None:
        if not owner.deciding:
            owner.deciding = True
            self.at(self.random.random() * 0.002, owner, lambda: self._decide(owner))

    def _decide(self, owner: Owner) -> None:
        owner.deciding = False
        for decision in owner.shard.decide(self.now):
            if isinstance(decision, Write):
                self._write(owner, decision)
            elif isinstance(decision, CommitNow):
                self._commit(owner, decision)
            else:
                self._call(owner, decision)
        if owner.quota.wanting and not owner.asking:
            owner.asking = True
            demand = owner.quota.demand(owner.shard.waiting, self.now)
            self.at(self._delay() / 10, owner, lambda: self._lease(owner, demand))
        owner.wake += 1
        number, wake_at = owner.wake, owner.shard.wake_at(self.now)
        if wake_at is not None:
            assert wake_at > self.now, "a wake-up in the past"
            self.at(wake_at - self.now, owner, lambda: self._wake(owner, number), wake=True)

    def _wake(self, owner: Owner, number: int) -> None:
        if number == owner.wake:
            self._decide(owner)

    def _lease(self, owner: Owner, demand: Demand) -> None:
        if self.now < self._silent_until:
            owner.quota.silent(self.now)
        else:
            if (seconds := owner.quota.refused_s()) is not None:
                self.broker.throttled(seconds, self.now)
            owner.quota.granted(self.broker.lease(0, demand, self.now), self.now)
        self._news(owner)

        def ask_again() -> None:
            owner.asking = False
            self._news(owner)

        self.at(0.1, owner, ask_again)

    def _broker_dies(self) -> None:
        self._silent_until = self.now + self.random.uniform(0, 20)
        self.at(self._silent_until - self.now, None, self._broker_returns)

    def _broker_returns(self) -> None:
        if self.now >= self._silent_until:
            self.broker = QuotaBroker(self.gmail, self.now)

    # ---- calls

    def _call(self, owner: Owner, call: Call) -> None:
        if isinstance(call, Fetch):
            self._fetch(owner, call)
            return
        units = owner.quota.cost(call)
        failed = self._failed_call(units) if self._goes_wrong() else None
        if isinstance(call, ListPage | ReadHistory) and call.page_token and failed and self.random.random() < 0.3:
            failed = CallFailed("no such page", units, page_refused=True)

        def answer() -> None:
            if self.boxes[call.user_id].revoked and not isinstance(call, Compare):
                self._tell(owner, call, CallFailed("revoked", revoked=True))
            else:
                self._answer(owner, call, failed)

        self._charge(owner, call.user_id, units, answer)

    def _answer(
        self, owner: Owner, call: Pin | ListPage | ReadHistory | Compare | Watch, failed: CallFailed | None
    ) -> None:
        if failed is not None:
            self._tell(owner, call, failed)
        elif isinstance(call, Pin):
            box = self.boxes[call.user_id]
            self._tell(owner, call, Pinned(box.history_id, len(box.alive()), LABELS))
        elif isinstance(call, ListPage):
            ids, token = self.boxes[call.user_id].list_page(call.page_token, call.label_id)
            user_id = call.user_id

            def listed() -> None:
                unknown = () if call.label_id else tuple(self.postgres.unknown(user_id, ids))
                self._tell(owner, call, Listed(unknown, token, tuple(ids)))

            self.at(self._delay(), owner, listed)
        elif isinstance(call, Compare):
            stored = self.postgres.stored_labels(call.user_id, call.pinned)
            changes = tuple(differences(call.user_id, call.pinned, call.relisted, stored))
            self.at(self._delay(), owner, lambda: self._tell(owner, call, Compared(changes)))
        elif isinstance(call, Watch):
            self._tell(owner, call, Watched(self.now + 7 * 86_400))
        else:
            self._answer_history(owner, call)

    def _answer_history(self, owner: Owner, call: ReadHistory) -> None:
        page = self.boxes[call.user_id].history_page(call.start, call.page_token)
        if page is None:
            self._tell(owner, call, CallFailed("expired", owner.quota.cost(call), history_expired=True))
            return
        added, changed = page

        def told() -> None:
            unknown = tuple(self.postgres.unknown(call.user_id, added))
            self._tell(owner, call, replace(changed, unknown=unknown))

        self.at(self._delay(), owner, told)

    def _failed_call(self, units: int) -> CallFailed:
        return CallFailed("did not answer", units, retry_after_s=self.random.choice([None, 0.5, 5.0]))

    def _fetch(self, owner: Owner, call: Fetch) -> None:
        keys = {(call.user_id, message_id) for message_id in call.message_ids}
        assert len(keys) == len(call.message_ids) > 0, "a fetch of nothing, or of a message twice"
        assert not keys & owner.out, "a message is fetched while a fetch of it is out"
        owner.out |= keys
        owner.fetches.append(call.user_id)
        invariants.bounded(self, owner)
        cost = owner.quota.cost(call)
        wrong = self.random.choice(["whole", "unsent", "throttled", "items", "lacking"]) if self._goes_wrong() else ""
        arrived = self.random.randrange(len(call.message_ids)) if wrong in ("throttled", "items", "lacking") else None
        units = 0 if wrong == "unsent" else cost
        if wrong == "throttled":
            assert arrived is not None
            units = cost // len(call.message_ids) * (arrived + 1)

        def answer() -> None:
            box = self.boxes[call.user_id]
            if box.revoked:
                outcome: Outcome = CallFailed("revoked", revoked=True)
            elif wrong in ("whole", "unsent"):
                outcome = self._failed_call(units)
            else:
                outcome = self._fetched(box, call, wrong, arrived, units)
            self.at(self._delay(), owner, lambda: self._tell(owner, call, outcome))

        self._charge(owner, call.user_id, units, answer)

    def _fetched(self, box: GmailBox, call: Fetch, wrong: str, arrived: int | None, units: int) -> Fetched:
        asked = call.message_ids if arrived is None else call.message_ids[:arrived]
        missed = () if arrived is None or wrong == "lacking" else call.message_ids[arrived:]
        bad = box.permanent | box.flaky
        copies = [copy for key in asked if key not in bad and (copy := box.get(key)) is not None]
        throttled = wrong == "throttled"
        if not self.calm and self.random.random() < 0.2:  # just after we looked
            self.at(self._delay(), None, lambda: box.relabel(call.message_ids))
        failures = [Failure(key, "never", key % 2 == 0, True) for key in asked if key in bad]
        failures += [Failure(key, "wrong", True, not throttled) for key in missed]
        return Fetched(
            landed=tuple(copy.message_id for copy in copies),
            gone=tuple(key for key in asked if key not in bad and box.messages[key].deleted),
            failures=tuple(failures),
            size_bytes=sum(copy.size_bytes for copy in copies),
            reference=tuple(copies),
            units=units,
            pause_s=self.random.uniform(0.5, 5) if throttled else None,
            pause_scope=self.random.choice(["user", "project"]),
        )

    def _tell(self, owner: Owner, call: Call, outcome: Outcome) -> None:
        if isinstance(call, Fetch):
            owner.out -= {(call.user_id, message_id) for message_id in call.message_ids}
            owner.fetches.remove(call.user_id)
        owner.shard.told(call, outcome, self.now)
        self._news(owner)

    def _charge(self, owner: Owner, user_id: int, units: int, answer: Callable[[], None]) -> None:
        """Gmail charges a call when it arrives, some time after it was let out, and answers later still."""

        def arrive() -> None:
            self._spend(owner, user_id, units)
            self.at(self._delay(), owner, answer)

        self.at(self._delay(), owner, arrive)

    def _spend(self, owner: Owner, user_id: int, units: int) -> None:
        # An owner that does not know that it lost its lease still spends; nobody can count for both.
        if owner is self.owner:
            self.spent.setdefault(user_id, []).append((self.now, units))
            self.spent_by_all.append((self.now, units))
            invariants.within_quota(self, user_id)

    # ---- segments and commits

    def _write(self, owner: Owner, write: Write) -> None:
        owner.writes += 1
        invariants.bounded(self, owner)
        self.segments += 1
        name, wrong, lost = f"segment {self.segments}", self._goes_wrong(), self.random.random() < 0.5

        def done() -> None:
            owner.writes -= 1
            if wrong:
                owner.shard.write_failed(write, lost, self.now)
            else:
                owner.shard.written(_written(name, owner.shard.lease.epoch, write))
            self._news(owner)

        self.at(self._delay(), owner, done)

    def _commit(self, owner: Owner, decision: CommitNow) -> None:
        assert not owner.committing, "two commits at a time"
        owner.committing = True
        random = self.random
        wrong = random.choice(["before", "after", "late", "index lost"]) if self._goes_wrong() else ""
        if decision.plan.segment is None and wrong == "index lost":
            wrong = "before"
        index: tuple[Copy, ...] = ()
        if decision.plan.segment is not None:
            assert decision.written is not None
            index = decision.written.index  # type: ignore[assignment]

        def tell(result: BaseException | None) -> None:
            owner.committing = False
            if isinstance(result, LeaseLost):
                assert owner is not self.owner, "the live owner lost its lease"
                owner.alive = False
                return
            if isinstance(result, AlreadyStored):
                owner.shard.commit_failed(self.now, result.keys)
            elif wrong == "index lost":
                owner.shard.commit_failed(self.now, frozenset())
            elif wrong:
                owner.shard.commit_failed(self.now)
            else:
                owner.shard.committed()
                owner.compaction.news(owner)
            self._news(owner)

        def apply() -> None:
            result: BaseException | None = None
            try:
                self.postgres.commit(decision.plan, index)
            except (LeaseLost, AlreadyStored) as exc:
                result = exc
            invariants.always(self)
            invariants.in_segments(self)
            if wrong != "late":
                self.at(self._delay(), owner, lambda: tell(None if wrong == "after" else result))

        if wrong in ("before", "index lost"):
            self.at(self._delay(), owner, lambda: tell(None))
            return
        delay = self._delay()
        if wrong == "late":  # told as failed, and comes true a moment later
            self.at(delay, owner, lambda: tell(None))
            delay += 0.5
        self.at(delay, None, apply)


def _written(name: str, epoch: int, write: Write) -> Written:
    copies = [copy for held in write.batches for copy in held.reference]  # type: ignore[attr-defined]
    index = tuple(copy for copy in copies if (copy.user_id, copy.message_id) not in write.skip)
    size = sum(copy.size_bytes for copy in index)
    manifest = SegmentManifest(name, 0, epoch, len(index), size, size, size, 0, ())
    return Written(write, manifest if index else None, index)
