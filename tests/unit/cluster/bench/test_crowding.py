"""cluster/bench/crowding.py: its arithmetic."""

from cluster.bench.crowding import CrowdingResult, Latency, percentile_ms


def test_percentiles_are_in_milliseconds() -> None:
    times = [number / 1000 for number in range(1, 101)]
    assert (percentile_ms(times, 0.5), percentile_ms(times, 0.95), percentile_ms(times, 1.0)) == (51.0, 96.0, 100.0)
    assert percentile_ms([], 0.95) == 0.0


def test_the_ratio_is_that_of_the_lists() -> None:
    idle = (Latency("list of 50", 10, 0, 4.0, 10.0), Latency("senders", 1, 0, 1.0, 1.0))
    crowded = (Latency("list of 50", 10, 0, 8.0, 25.0), Latency("senders", 1, 0, 9.0, 9.0))
    result = CrowdingResult(1000, idle, crowded, {"429": 3}, {"begun": 5})
    assert (result.ratio, result.as_json()["ratio"], result.as_json()["queries"]) == (2.5, 2.5, {"429": 3})
