"""The world around the shards' owners: a virtual clock, a seeded scheduler, faults, crashes, people who change mail.

Everything that takes time is an event (owner.py). Shards share one broker, one Gmail and one Postgres. `run` ends when
all is quiet, with the faults off and one more round asked of every mailbox. Compaction goes on beside (compaction.py).
"""

import heapq
from collections import deque
from collections.abc import Callable
from random import Random

from actors.broker import QuotaBroker
from actors.config import EvidenceConfig, PollConfig, RetryConfig, ShardConfig
from actors.decisions import Mode
from jobs.gmail.config import GmailConfig
from storage.config import ArchiveConfig
from tests.unit.actors.simulation import invariants
from tests.unit.actors.simulation.deviations import Deviations
from tests.unit.actors.simulation.gmail import GmailBox
from tests.unit.actors.simulation.owner import Owner
from tests.unit.actors.simulation.postgres import ModelPostgres

#: Seconds without an answer after which an owner that hangs is replaced; when it wakes, somebody else has its shard.
_HUNG_AFTER_S = 20.0
_STEPS = 60_000
_HORIZON_S = 90.0
#: Shards whose share of the quota a lone shard leaves alone while the broker is silent.
_ABSENT_SHARDS = 4


class World:
    """One run. The same seed gives the same run, to the last event."""

    def __init__(
        self, seed: int, postgres: ModelPostgres | None = None, shards: int | None = None, deviating: float = 0.0
    ) -> None:
        """`shards`: None: one to three, by the seed. `deviating`: share of Gmail's answers that are wrong."""
        self.deviations = Deviations(seed, deviating, 1_000_000.0 + _HORIZON_S)
        self.seed, self.random = seed, Random(seed)
        # A draw of its own: with one shard a seed's history is what it was before there were several.
        self.shards = shards or Random(f"shards of {seed}").choice([1, 1, 2, 3])
        random = self.random
        self.now, self.steps, self.calm = 1_000_000.0, 0, False
        self.postgres = postgres or ModelPostgres()
        self._segments = 0
        self._events: list[tuple[float, int, Owner | None, bool, Callable[[], None]]] = []
        self._numbers = 0
        self._busy = 0  # events that are not wake-ups
        self._fault_rate = random.choice([0.0, 0.1, 0.3])
        self._slowness = random.choice([0.05, 0.5, 3.0])
        self.gmail = GmailConfig(
            quota_profile="standard",
            allow_paid_units=True,
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
            poll=PollConfig(longest_s=120.0),
            evidence=EvidenceConfig(
                gone_after_s=100.0,
                check_delay_s=15.0,
                suspect_least=10,
                suspect_s=60.0,
                overlap_s=(5.0, 60.0)[seed % 2],
            ),
        )
        self.archive = ArchiveConfig(segment_bytes=1500, segment_messages=random.randint(3, 12), segment_age_s=2.1)
        self.archive = self.archive.model_copy(update={"open_segments": 2 + seed % 4})
        self.broker = QuotaBroker(self.gmail, self.now)
        self._silent_until = 0.0  # the broker is dead until then
        self.spent: dict[int, list[tuple[float, int]]] = {}
        self.spent_by_all: list[tuple[float, int]] = []
        self.boxes: dict[int, GmailBox] = {}
        self.hangs: list[tuple[float, int]] = []  # seconds, and the epoch of the owner that hung so long
        for user_id in range(1, self.shards * random.randint(1, 4) + 1):
            self.boxes[user_id] = self._box(user_id)
        if self.shards == 1 and len(self.boxes) > 1 and self.config.calls > 1 and self.config.fetches > 1:
            self.deviations.sick = 1
        self.calls: dict[int, deque[float]] = {}  # user -> when its calls but for fetches went out, in a minute
        self.owners = {shard_id: Owner(self, shard_id) for shard_id in range(self.shards)}
        for user_id in self.boxes:
            self._plan_life(user_id)
        if random.random() < 0.7:
            for _ in range(random.randint(1, 4)):
                self.at(random.uniform(0, _HORIZON_S), None, self._crash)
        for _ in range(random.choice([0, 0, 1, 3])):
            self.at(random.uniform(0, _HORIZON_S), None, self._broker_dies)
        self._hangs = Random(f"hangs of {seed}")  # a draw of its own, as for the shards
        for _ in range(self._hangs.choice([0, 0, 1, 2])):
            self.at(self._hangs.uniform(0, _HORIZON_S), None, self._hang)
        self.at(_HORIZON_S, None, self._calm_down)

    def run(self) -> "World":
        """To the end; AssertionError names the seed and the moment."""
        try:
            self._until_quiet()
            for user_id in self.boxes:
                self._request(user_id, Mode.RECONCILE if self.deviations.rate else Mode.INCREMENTAL)
            self._until_quiet()
            if self.deviations.rate:  # what it found to be deleted was asked for twice
                for user_id in self.boxes:
                    self._request(user_id, Mode.INCREMENTAL)
                self._until_quiet()
            invariants.at_rest(self)
            while not all(owner.compaction.idle for owner in self.owners.values()):
                self._step()
            invariants.few_segments(self)
        except AssertionError as exc:
            raise AssertionError(f"seed {self.seed}, step {self.steps}, {self.now - 1_000_000:.3f} s: {exc}") from exc
        return self

    def shard_of(self, user_id: int) -> int:
        """The shard that a mailbox belongs to."""
        return user_id % self.shards

    @property
    def static_shares(self) -> int:
        """In how many parts the project's budget is split while the broker is silent."""
        return self.shards if self.shards > 1 else _ABSENT_SHARDS

    @property
    def broker_is_silent(self) -> bool:
        """Nobody answers who asks for a lease."""
        return self.now < self._silent_until

    # ---- events

    def at(
        self,
        delay_s: float,
        owner: Owner | None,
        action: Callable[[], None],
        wake: bool = False,
        elsewhere: bool = False,
    ) -> None:
        """Have something happen later, unless its owner is dead by then; one that hangs does it when it wakes.

        Args:
            wake: nobody need wait for it.
            elsewhere: it happens in another process, so also while the owner hangs.
        """
        self._numbers += 1
        self._busy += not wake

        def act() -> None:
            if owner is not None and not elsewhere and owner.hangs_until > self.now:
                self.at(owner.hangs_until - self.now, owner, action, wake)
            else:
                action()

        heapq.heappush(self._events, (self.now + delay_s, self._numbers, owner, wake, act))

    def delay(self) -> float:
        """Seconds that something takes: mostly little."""
        slow = self._slowness if self.random.random() < 0.3 else self._slowness / 20
        return self.random.random() * slow

    def goes_wrong(self) -> bool:
        """Whether the next thing fails."""
        return not self.calm and self.random.random() < self._fault_rate

    def next_segment(self) -> str:
        """A name that no segment has."""
        self._segments += 1
        return f"segment {self._segments}"

    def spend(self, owner: Owner, user_id: int, units: int) -> None:
        """Gmail charges a call, now."""
        # An owner that does not know that it lost its lease still spends; nobody can count for both.
        if owner is self.owners[owner.shard_id]:
            self.spent.setdefault(user_id, []).append((self.now, units))
            self.spent_by_all.append((self.now, units))
            invariants.within_quota(self, user_id)

    def called(self, user_id: int) -> None:
        """A call that is no fetch goes out."""
        calls = self.calls.setdefault(user_id, deque())
        calls.append(self.now)
        while calls[0] <= self.now - 60:
            calls.popleft()
        invariants.few_calls(self, user_id)

    def _step(self) -> None:
        self.now, _, owner, wake, action = heapq.heappop(self._events)
        self._busy -= not wake
        self.steps += 1
        assert self.steps < _STEPS * self.shards, "it does not come to an end"
        if owner is None or owner.alive:
            action()

    def _until_quiet(self) -> None:
        while self._busy or not self._settled():
            assert self._events, f"nothing will ever happen again, but {self._unfinished()}"
            self._step()

    def _settled(self) -> bool:
        return all(owner.shard.quiet for owner in self.owners.values()) and not invariants.will_still_land(self)

    def _unfinished(self) -> str:
        active = [
            user_id
            for user_id in self.boxes
            if (mailbox := self._owner(user_id).shard.mailbox(user_id)) is not None and mailbox.active
        ]
        return f"mailboxes {active} are active and {sorted(invariants.will_still_land(self))} are filed"

    def _owner(self, user_id: int) -> Owner:
        return self.owners[self.shard_of(user_id)]

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
        owner = self._owner(user_id)
        if owner.hangs_until > self.now:  # whoever asks does not get an answer, and asks again
            self.at(1.0, None, lambda: self._request(user_id, mode))
        elif owner.alive:
            owner.shard.open(self.postgres.open_mailbox(user_id), (), self.now)
            owner.shard.request(user_id, mode, self.now)
            owner.notify()

    def _stop(self, user_id: int) -> None:
        owner = self._owner(user_id)
        awake = owner.alive and owner.hangs_until <= self.now
        if awake and owner.shard.mailbox(user_id) is not None:
            owner.shard.stop(user_id)
            owner.notify()
            if self.random.random() < 0.5:
                self.at(self.delay(), None, lambda: self._request(user_id, Mode.INCREMENTAL))

    def _revoke(self, user_id: int) -> None:
        self.boxes[user_id].revoked = True
        self.at(self.delay() * 5, None, lambda: self._renew(user_id))

    def _renew(self, user_id: int) -> None:
        self.boxes[user_id].revoked = False
        self._request(user_id, Mode.INCREMENTAL)

    def _calm_down(self) -> None:
        self.calm = True
        for user_id in self.boxes:
            self._renew(user_id)

    # ---- crashes

    def _crash(self) -> None:
        """An owner vanishes, or loses its lease without noticing; the next one opens from Postgres."""
        shard_id = self.random.randrange(self.shards) if self.shards > 1 else 0
        if not self.owners[shard_id].alive:
            return
        if self.random.random() < 0.3:
            self._take_over(shard_id)
        else:
            self.owners[shard_id].alive = False
            self.at(self.delay(), None, lambda: self._take_over(shard_id))

    def _hang(self) -> None:
        """An owner is stopped for a while, short or long, and wakes; what it has asked for goes on meanwhile."""
        shard_id = self._hangs.randrange(self.shards)
        owner = self.owners[shard_id]
        if not owner.alive or owner.hangs_until > self.now:
            return
        seconds = self._hangs.choice([0.3, 3.0, 30.0, 120.0]) * (0.5 + self._hangs.random())
        owner.hangs_until = self.now + seconds
        owner.kept_waiting.clear()
        self.hangs.append((seconds, owner.shard.lease.epoch))

        def replace() -> None:
            if self.owners[shard_id] is owner:
                self._take_over(shard_id)

        if seconds > _HUNG_AFTER_S:
            self.at(_HUNG_AFTER_S, None, replace)
            # Some are not killed, because nobody can reach their process: they wake, and must not commit.
            if self._hangs.random() < 0.5:
                self.at(_HUNG_AFTER_S, None, lambda: setattr(owner, "alive", False))

    def _take_over(self, shard_id: int) -> None:
        self.owners[shard_id] = Owner(self, shard_id)
        self.owners[shard_id].notify()

    def _broker_dies(self) -> None:
        self._silent_until = self.now + self.random.uniform(0, 20)
        self.at(self._silent_until - self.now, None, self._broker_returns)

    def _broker_returns(self) -> None:
        if not self.broker_is_silent:
            self.broker = QuotaBroker(self.gmail, self.now)
