"""storage/control/shard_map.py"""

from storage.control.shard_map import BELIEVED_S, ShardMap


def test_a_map_is_fresh_for_as_long_as_it_is_not_read_again() -> None:
    now, reads = [100.0], [0]

    def read(_shard_id: int | None) -> dict[int, int]:
        reads[0] += 1
        return {0: reads[0]}

    shards = ShardMap(read, lambda: now[0])
    assert shards.fresh() is None
    assert shards.current() == {0: 1} == shards.fresh()
    now[0] += BELIEVED_S - 0.01
    assert shards.current() == {0: 1} == shards.fresh()
    now[0] += 0.01
    assert shards.fresh() is None
    assert shards.current() == {0: 2} == shards.fresh()
