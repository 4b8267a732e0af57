"""One process that owns a shard, or thinks that it does: carries the shard's decisions out in a simulated world.

What `actors.owner.ShardOwner` does with Ray, Gmail and Postgres, this does with models of them that are late and fail.
Its events die with it, except commits that Postgres has already been sent.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.budget import Demand
from actors.conversion import agreeing_threads, differing_threads
from actors.decisions import (
    Call,
    CallFailed,
    CommitNow,
    Compare,
    Compared,
    Confirm,
    Confirmed,
    Failure,
    Fetch,
    Fetched,
    LabelsRead,
    Listed,
    ListPage,
    Outcome,
    Pin,
    Pinned,
    ReadHistory,
    ReadLabels,
    Watch,
    Watched,
    Write,
    Written,
)
from actors.quota import ShardQuota
from actors.reconcile import differences
from actors.shard import Shard
from storage.catalog.catalog import AlreadyStored
from storage.catalog.leases import LeaseLost
from storage.model.records import SegmentManifest
from tests.unit.actors.simulation import invariants
from tests.unit.actors.simulation.compaction import Compaction
from tests.unit.actors.simulation.gmail import LABELS, Copy, GmailBox, thread_of

if TYPE_CHECKING:
    from tests.unit.actors.simulation.world import World


class Owner:
    """Owns one shard until it crashes or learns that another does."""

    def __init__(self, world: "World", shard_id: int) -> None:
        self.world, self.shard_id = world, shard_id
        self.alive = True
        self.hangs_until = 0.0
        self.out: set[tuple[int, int]] = set()  # messages being fetched
        self.fetches: list[int] = []  # users whose fetches are out
        self.writes = 0
        self.kept_waiting: dict[int, float] = {}  # user -> since when it has a call that could go out
        self.passed_over: Counter[int] = Counter()  # user -> others' fetches since it could have had one
        self._deciding = False  # a look at `decide` is scheduled
        self._asking = False  # the broker is being asked
        self._committing = False
        self._wake_number = 0  # of the wake-up that counts
        lease = world.postgres.acquire(shard_id)
        self.quota = ShardQuota(world.gmail, world.static_shares, world.now, succeeds=lease.epoch > 1)
        self.shard = Shard(lease, world.config, world.archive, self.quota)
        for user_id, record in world.postgres.mailboxes.items():
            if world.shard_of(user_id) == shard_id:
                self.shard.open(record, world.postgres.failed_of(user_id), world.now)
        self.compaction = Compaction(world, self)
        self.compaction.look_later()

    def notify(self) -> None:
        """Look soon at what is to be done."""
        if not self._deciding:
            self._deciding = True
            self._after(self.world.random.random() * 0.002, self._decide)

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        self.world.at(delay_s, self, action)

    # ---- the loop

    def _decide(self) -> None:
        self._deciding = False
        world = self.world
        decisions = self.shard.decide(world.now)
        for decision in decisions:
            if isinstance(decision, Write):
                self._write(decision)
            elif isinstance(decision, CommitNow):
                self._commit(decision)
            else:
                self._call(decision)
        invariants.nobody_starves(world, self, [each.user_id for each in decisions if isinstance(each, Fetch)])
        invariants.nobody_is_kept_waiting(world, self)
        if self.quota.wanting and not self._asking:
            self._asking = True
            demand = self.quota.demand(self.shard.waiting, world.now)
            self._after(world.delay() / 10, lambda: self._lease(demand))
        self._wake_number += 1
        number, wake_at = self._wake_number, self.shard.wake_at(world.now)
        if wake_at is not None:
            assert wake_at > world.now, "a wake-up in the past"
            world.at(wake_at - world.now, self, lambda: self._wake(number), wake=True)

    def _wake(self, number: int) -> None:
        if number == self._wake_number:
            self._decide()

    def _lease(self, demand: Demand) -> None:
        world = self.world
        if world.broker_is_silent:
            self.quota.silent(world.now, demand)
        else:
            if (seconds := self.quota.refused_s()) is not None:
                world.broker.throttled(seconds, world.now)
            self.quota.granted(world.broker.lease(self.shard_id, demand, world.now), world.now)
        self.notify()

        def ask_again() -> None:
            self._asking = False
            self.notify()

        self._after(0.1, ask_again)

    # ---- calls

    def _call(self, call: Call) -> None:
        if isinstance(call, Fetch):
            self._fetch(call)
            return
        world = self.world
        world.called(call.user_id)
        units = self.quota.cost(call)
        failed = self._failed_call(units) if world.goes_wrong() else None
        if isinstance(call, ListPage | ReadHistory) and call.page_token and failed and world.random.random() < 0.3:
            failed = CallFailed("no such page", units, page_refused=True)

        def answer() -> None:
            if world.boxes[call.user_id].revoked and not isinstance(call, Compare):
                self._tell(call, CallFailed("revoked", revoked=True))
            else:
                self._answer(call, failed)

        self._charge(call.user_id, units, answer)

    def _answer(self, call: Call, failed: CallFailed | None) -> None:
        world = self.world
        if failed is not None:
            self._tell(call, failed)
        elif isinstance(call, Pin):
            box = world.boxes[call.user_id]
            self._tell(call, Pinned(box.history_id, len(box.alive()), LABELS))
        elif isinstance(call, ListPage):
            ids, token = world.boxes[call.user_id].list_page(call.page_token, call.label_id)
            user_id = call.user_id

            def listed() -> None:
                if call.label_id:
                    self._tell(call, Listed((), token, tuple(ids)))
                    return
                known = world.postgres.known(user_id, ids)
                unknown = tuple(key for key in ids if key not in known)
                self._tell(call, Listed(unknown, token, tuple(ids), threads=self._threads(ids, known)))

            self._after(world.delay(), listed)
        elif isinstance(call, Compare):
            stored = world.postgres.stored_labels(call.user_id, call.pinned)
            found = differences(call.user_id, call.pinned, call.listed, stored)
            self._after(world.delay(), lambda: self._tell(call, Compared(found)))
        elif isinstance(call, Confirm):
            box = world.boxes[call.user_id]
            added, deleted = box.since(call.since, call.label_id)
            present = box.history_id if call.label_id is None else None
            self._tell(call, Confirmed(box.total(call.label_id), tuple(added), tuple(deleted), 0, present))
        elif isinstance(call, ReadLabels):
            self._tell(call, LabelsRead(LABELS))
        elif isinstance(call, Watch):
            self._tell(call, Watched(world.now + 7 * 86_400))
        else:
            assert isinstance(call, ReadHistory)
            self._answer_history(call)

    def _answer_history(self, call: ReadHistory) -> None:
        page = self.world.boxes[call.user_id].history_page(call.start, call.page_token)
        if page is None:
            self._tell(call, CallFailed("expired", self.quota.cost(call), history_expired=True))
            return
        added, changed = page

        def told() -> None:
            known = self.world.postgres.known(call.user_id, added)
            unknown = tuple(key for key in added if key not in known)
            returned = tuple(key for key in added if key in known and known[key][1])
            threads = self._threads(added, known)
            self._tell(call, replace(changed, unknown=unknown, returned=returned, threads=threads))

        self._after(self.world.delay(), told)

    def _threads(self, ids: Sequence[int], known: Mapping[int, tuple[int, bool]]) -> tuple[tuple[int, int], ...]:
        """What `actors.calls` makes of the threads that two answers name, each of which may deviate."""
        first, second = (
            {key: self.world.deviations.thread(thread_of(key), self.world.now) for key in ids} for _ in range(2)
        )
        return agreeing_threads(differing_threads(first, known), second)

    def _failed_call(self, units: int) -> CallFailed:
        return CallFailed("did not answer", units, retry_after_s=self.world.random.choice([None, 0.5, 5.0]))

    def _fetch(self, call: Fetch) -> None:
        world, random = self.world, self.world.random
        keys = {(call.user_id, message_id) for message_id in call.message_ids}
        assert len(keys) == len(call.message_ids) > 0, "a fetch of nothing, or of a message twice"
        assert not keys & self.out, "a message is fetched while a fetch of it is out"
        self.out |= keys
        self.fetches.append(call.user_id)
        invariants.bounded(world, self)
        cost = self.quota.cost(call)
        wrong = random.choice(["whole", "unsent", "throttled", "items", "lacking"]) if world.goes_wrong() else ""
        arrived = random.randrange(len(call.message_ids)) if wrong in ("throttled", "items", "lacking") else None
        units = 0 if wrong == "unsent" else cost
        if wrong == "throttled":
            assert arrived is not None
            units = cost // len(call.message_ids) * (arrived + 1)

        def answer() -> None:
            box = world.boxes[call.user_id]
            if box.revoked:
                outcome: Outcome = CallFailed("revoked", revoked=True)
            elif wrong in ("whole", "unsent"):
                outcome = self._failed_call(units)
            else:
                outcome = self._fetched(box, call, wrong, arrived, units)
            self._after(world.delay(), lambda: self._tell(call, outcome))

        self._charge(call.user_id, units, answer)

    def _fetched(self, box: GmailBox, call: Fetch, wrong: str, arrived: int | None, units: int) -> Fetched:
        world, random = self.world, self.world.random
        asked = call.message_ids if arrived is None else call.message_ids[:arrived]
        missed = () if arrived is None or wrong == "lacking" else call.message_ids[arrived:]
        bad = box.permanent | box.flaky
        lost = {key for key in asked if key not in bad and world.deviations.not_found(world.now)}
        present = [key for key in asked if key not in bad and key not in lost]
        copies = [
            replace(copy, thread_id=world.deviations.thread(copy.thread_id, world.now))
            for key in present
            if (copy := box.get(key)) is not None
        ]
        throttled = wrong == "throttled"
        if not world.calm and random.random() < 0.2:  # just after we looked
            world.at(world.delay(), None, lambda: box.relabel(call.message_ids))
        failures = [Failure(key, "never", key % 2 == 0, True) for key in asked if key in bad]
        failures += [Failure(key, "wrong", True, not throttled) for key in missed]
        return Fetched(
            landed=tuple(copy.message_id for copy in copies),
            gone=tuple(key for key in asked if key not in bad and (key in lost or box.messages[key].deleted)),
            failures=tuple(failures),
            size_bytes=sum(copy.size_bytes for copy in copies),
            reference=tuple(copies),
            units=units,
            pause_s=random.uniform(0.5, 5) if throttled else None,
            pause_scope=random.choice(["user", "project"]),
        )

    def _tell(self, call: Call, outcome: Outcome) -> None:
        if isinstance(call, Fetch):
            self.out -= {(call.user_id, message_id) for message_id in call.message_ids}
            self.fetches.remove(call.user_id)
        world = self.world
        self.shard.on_outcome(call, world.deviations.of_answer(call, outcome, world.now), world.now)
        mailbox = self.shard.mailbox(call.user_id)
        world.boxes[call.user_id].relisted |= mailbox is not None and mailbox.expiries > 0
        self.notify()

    def _charge(self, user_id: int, units: int, answer: Callable[[], None]) -> None:
        """Gmail charges a call when it arrives, some time after it was let out, and answers later still."""

        def arrive() -> None:
            self.world.spend(self, user_id, units)
            late_s = self.world.deviations.stall_s(user_id, self.world.now)
            self._after(self.world.delay() + late_s, answer)

        self.world.at(self.world.delay(), self, arrive, elsewhere=True)  # the call is a task's, not the owner's

    # ---- segments and commits

    def _write(self, write: Write) -> None:
        world = self.world
        self.writes += 1
        invariants.bounded(world, self)
        name, wrong, lost = world.next_segment(), world.goes_wrong(), world.random.random() < 0.5

        def done() -> None:
            self.writes -= 1
            if wrong:
                self.shard.write_failed(write, lost, world.now)
            else:
                self.shard.written(_written(name, self.shard_id, self.shard.lease.epoch, write))
            self.notify()

        self._after(world.delay(), done)

    def _commit(self, decision: CommitNow) -> None:
        assert not self._committing, "two commits at a time"
        self._committing = True
        world = self.world
        wrong = world.random.choice(["before", "after", "late", "index lost"]) if world.goes_wrong() else ""
        if decision.plan.segment is None and wrong == "index lost":
            wrong = "before"
        index: tuple[Copy, ...] = ()
        if decision.plan.segment is not None:
            assert decision.written is not None
            index = decision.written.index  # type: ignore[assignment]

        def apply() -> None:
            result: BaseException | None = None
            try:
                world.postgres.commit(decision.plan, index)
            except (LeaseLost, AlreadyStored) as exc:
                result = exc
            invariants.always(world)
            invariants.in_segments(world)
            if wrong != "late":
                self._after(world.delay(), lambda: self._committed(None if wrong == "after" else result, wrong))

        if wrong in ("before", "index lost"):
            self._after(world.delay(), lambda: self._committed(None, wrong))
            return
        delay = world.delay()
        if wrong == "late":  # told as failed, and comes true a moment later
            self._after(delay, lambda: self._committed(None, wrong))
            delay += 0.5
        world.at(delay, None, apply)

    def _committed(self, result: BaseException | None, wrong: str) -> None:
        self._committing = False
        now = self.world.now
        if isinstance(result, LeaseLost):
            assert self is not self.world.owners[self.shard_id], "the live owner lost its lease"
            self.alive = False
            return
        if isinstance(result, AlreadyStored):
            self.shard.commit_failed(now, result.keys)
        elif wrong == "index lost":
            self.shard.commit_failed(now, frozenset())
        elif wrong:
            self.shard.commit_failed(now)
        else:
            self.shard.committed(now)
            self.compaction.notify()
        self.notify()


def _written(name: str, shard_id: int, epoch: int, write: Write) -> Written:
    copies = [copy for held in write.batches for copy in held.reference]  # type: ignore[attr-defined]
    index = tuple(copy for copy in copies if (copy.user_id, copy.message_id) not in write.skip)
    size = sum(copy.size_bytes for copy in index)
    manifest = SegmentManifest(name, shard_id, epoch, len(index), size, size, size, 0, ())
    return Written(write, manifest if index else None, index)
