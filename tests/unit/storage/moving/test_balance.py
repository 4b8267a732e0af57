"""A plan evens databases out with few moves, and moves nobody when nothing is gained."""

from storage.moving.balance import Step, plan


def test_an_empty_database_gets_its_part() -> None:
    steps = plan({0: 0, 1: 1, 2: 0, 3: 1, 4: 0, 5: 1}, dict.fromkeys(range(6), 10), 3)

    assert steps == [Step(0, 0, 2, 10), Step(1, 1, 2, 10)]


def test_balanced_databases_need_no_move() -> None:
    assert plan({0: 0, 1: 1}, {0: 10, 1: 10}, 2) == []
    assert plan({0: 0, 1: 1}, {0: 100, 1: 10}, 2) == []
    assert plan({}, {}, 2) == []


def test_no_shard_is_moved_twice() -> None:
    messages = {number: number * number for number in range(40)}

    steps = plan(dict.fromkeys(messages, 0), messages, 4)

    assert len({step.shard_id for step in steps}) == len(steps)
    loads = [0, 0, 0, 0]
    places = dict.fromkeys(messages, 0) | {step.shard_id: step.target for step in steps}
    for number, place in places.items():
        loads[place] += messages[number]
    assert max(loads) - min(loads) < max(messages.values())
