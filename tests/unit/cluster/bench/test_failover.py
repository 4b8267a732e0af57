"""cluster/bench/failover.py: the figures of rounds that were measured."""

from cluster.bench.failover import FailoverResult, Failovers, NoFailover


def test_the_median_and_the_worst_of_the_rounds_are_told_of_each_kind() -> None:
    killed, hung = Failovers("killed", (3.0, 1.0, 2.0)), Failovers("hung", (24.0, 22.0))

    assert (killed.p50_s, killed.worst_s) == (2.0, 3.0)
    document = FailoverResult(20.0, (killed, hung)).as_json()
    assert document["kinds"] == [
        {"kind": "killed", "seconds": (3.0, 1.0, 2.0), "p50_s": 2.0, "worst_s": 3.0},
        {"kind": "hung", "seconds": (24.0, 22.0), "p50_s": 23.0, "worst_s": 24.0},
    ]


def test_a_shard_without_a_next_commit_is_named() -> None:
    assert "Shard 1 had no commit" in str(NoFailover("hung", 1))
