"""Plans moves of shards so that every database holds about the same number of messages. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One move of a plan."""

    shard_id: int
    source: int
    target: int
    messages: int


def plan(places: Mapping[int, int], messages: Mapping[int, int], databases: int) -> list[Step]:
    """Plan moves from the fullest database to the emptiest, each the most effective one, until none helps.

    Args:
        places: shard -> its database. messages: shard -> its number of messages; callers may add one per mailbox.
    """
    places = dict(places)
    steps: list[Step] = []
    while len(steps) < len(messages):
        loads = dict.fromkeys(range(databases), 0)
        for shard_id, database in places.items():
            loads[database] += messages.get(shard_id, 0)
        fullest = max(loads, key=lambda index: (loads[index], -index))
        emptiest = min(loads, key=lambda index: (loads[index], index))
        gap = loads[fullest] - loads[emptiest]
        moved = {step.shard_id for step in steps}
        helping = [
            shard_id
            for shard_id, database in places.items()
            if database == fullest and shard_id not in moved and 0 < messages.get(shard_id, 0) < gap
        ]
        if not helping:
            break
        best = min(helping, key=lambda shard_id: (abs(gap - 2 * messages[shard_id]), shard_id))
        steps.append(Step(best, fullest, emptiest, messages[best]))
        places[best] = emptiest
    return steps
