"""Who is read from, told what was observed and when."""

from storage.replication.replica_health import Observed, Rotation
from storage.replication.session_token import WalPosition


def standby(lsn: int, system: int = 7, timeline: int = 1) -> Observed:
    return Observed(True, WalPosition(system, timeline, lsn))


def primary(lsn: int, timeline: int = 1) -> Observed:
    return Observed(False, WalPosition(7, timeline, lsn))


def rotation() -> Rotation:
    """Two replicas, ready at place 100, time 0."""
    made = Rotation(["a", "b"], lag_bytes=1000, lag_s=10, rest_s=3)
    made.primary(primary(100), 0)
    made.replica(0, standby(100), 0)
    made.replica(1, standby(100), 0)
    return made


def test_no_replica_is_read_before_a_check() -> None:
    assert Rotation(["a"], 1, 1, 1).next() is None


def test_reads_take_turns() -> None:
    made = rotation()
    assert [made.next() for _ in range(4)] == [0, 1, 0, 1]


def test_an_idle_primary_makes_no_lag() -> None:
    made = rotation()
    made.primary(primary(100), 10_000)
    made.replica(0, standby(100), 10_000)
    assert made.health()[0].lag_s == 0 and made.health()[0].ready


def test_a_replica_too_many_bytes_behind_leaves_and_returns() -> None:
    made = rotation()
    made.primary(primary(1101), 1)
    made.replica(0, standby(100), 1)
    assert made.health()[0].state == "lagging"
    assert [made.next(), made.next()] == [1, 1]
    made.replica(0, standby(1101), 2)
    assert made.health()[0].ready


def test_a_replica_a_few_bytes_behind_for_too_long_leaves() -> None:
    made = rotation()
    for second in range(1, 13):
        made.primary(primary(100 + second), second)
        made.replica(0, standby(100), second)
        assert made.health()[0].ready is (second <= 10)


def test_a_busy_primary_ahead_by_one_check_makes_a_lag_of_one_check() -> None:
    made = rotation()
    for second in range(1, 60):
        made.primary(primary(100 + second), second)
        made.replica(0, standby(100 + second - 1), second)
        assert made.health()[0].lag_s == 1


def test_a_replica_that_failed_a_reader_is_skipped_until_a_check_succeeds() -> None:
    made = rotation()
    made.failed(0, "broke a read off", 1)
    made.replica(0, standby(100), 3)
    assert made.health()[0].state == "broke a read off"
    made.replica(0, standby(100), 4)
    assert made.health()[0].ready


def test_replicas_of_another_cluster_and_primaries_are_not_read() -> None:
    made = rotation()
    made.replica(0, standby(100, system=8), 1)
    made.replica(1, primary(100), 1)
    assert [each.state for each in made.health()] == [
        "a replica of another cluster",
        "not a replica: the primary itself, or promoted",
    ]
    assert made.next() is None


def test_after_a_failover_a_replica_of_the_former_timeline_waits() -> None:
    made = rotation()
    made.primary(primary(120, timeline=2), 1)
    made.replica(0, standby(130), 1)
    assert made.health()[0].state == "on another timeline than the primary"
    made.replica(0, standby(130, timeline=2), 2)
    assert made.health()[0].ready


def test_replicas_go_on_while_the_primary_is_silent() -> None:
    made = rotation()
    made.replica(0, standby(100), 500)
    assert made.health()[0].ready
