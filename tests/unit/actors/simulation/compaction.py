"""Compaction in a simulated world: an owner's `Compactor` at work, whose merges take time, get lost, or commit unheard.

It has chances of its own, and its events keep nothing else waiting: the rest of the history is as it is without it.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from actors.compaction import Compactor
from storage.catalog.leases import LeaseLost
from tests.unit.actors.simulation import invariants

if TYPE_CHECKING:
    from tests.unit.actors.simulation.owner import Owner
    from tests.unit.actors.simulation.world import World


class Compaction:
    """What one owner does about its shard's segments."""

    def __init__(self, world: "World", owner: "Owner") -> None:
        number = f"{owner.shard_id}, {owner.shard.lease.epoch}" if owner.shard_id else f"{owner.shard.lease.epoch}"
        self._world, self._owner, self._chance = world, owner, Random(f"{world.seed} compaction {number}")
        self._compactor = Compactor(world.archive, world.now)
        self._looking = False  # a look at the catalogue is scheduled
        self._merging = False

    @property
    def idle(self) -> bool:
        """Nothing is under way or due."""
        return self._compactor.look_at() is None and not self._merging

    def notify(self) -> None:
        """A segment was committed."""
        self._compactor.notify()
        self.look_later()

    def look_later(self) -> None:
        """Look at the catalogue when that is due."""
        look_at = self._compactor.look_at()
        if look_at is not None and not self._looking:
            self._looking = True
            self._world.at(max(look_at - self._world.now, 0.0), self._owner, self._look, wake=True)

    def _look(self) -> None:
        self._looking = False
        due = self._compactor.look_at()
        if due is None or due > self._world.now:
            self.look_later()
            return
        chosen = self._compactor.choose(self._world.postgres.live(self._owner.shard_id), 0, self._world.now)
        if chosen:
            self._merge([segment.name for segment in chosen])

    def _merge(self, parts: list[str]) -> None:
        world, postgres, owner = self._world, self._world.postgres, self._owner
        self._merging = True
        name, shard_id = world.next_segment(), owner.shard_id
        keys = frozenset(key for part in parts for key in postgres.contents[shard_id][part])
        wrong = "" if world.calm or self._chance.random() >= 0.3 else self._chance.choice(["lost", "unheard"])

        def ended() -> None:
            self._merging = False
            if wrong == "lost":
                self._compactor.failed(world.now)
            else:
                self._compactor.merged()
            self.look_later()

        def commit(again: bool) -> None:
            try:
                postgres.compact(shard_id, owner.shard.lease.epoch, name, parts, keys)
            except LeaseLost:
                assert owner is not world.owners[shard_id], "the live owner lost its lease"
                owner.alive = False
                return
            invariants.in_segments(world)
            if wrong == "unheard" and not again:  # it took effect, and is repeated
                self._later(owner, lambda: commit(True))
            else:
                self._later(owner, ended)

        if wrong == "lost":
            self._later(owner, ended)
        else:  # once it was sent, the owner's death does not stop it
            self._later(owner, lambda: self._later(None, lambda: commit(False)))

    def _later(self, owner: "Owner | None", action: Callable[[], None]) -> None:
        self._world.at(self._chance.random() * 3, owner, action, wake=True)
