"""The seeds of `gbm bench simulation`: counted, and stopped at the first that fails."""

from cluster.bench.simulation import SeedRun, SimulationResult, until_failure


def test_all_seeds_run_when_none_fails() -> None:
    told: list[int] = []

    ran, steps, failed = until_failure(iter([SeedRun(0, 10, None), SeedRun(1, 20, None)]), told.append)

    assert (ran, steps, failed) == (2, 30, None)
    assert told == [1, 2]


def test_the_first_seed_that_fails_is_named_and_ends_the_run() -> None:
    bad = SeedRun(1, 0, "AssertionError: lost")
    runs = iter([SeedRun(0, 10, None), bad, SeedRun(2, 10, None)])

    ran, _, failed = until_failure(runs, lambda _: None)

    assert ran == 2
    assert failed == bad
    assert next(runs).seed == 2


def test_a_failed_seed_is_told_with_what_repeats_it() -> None:
    result = SimulationResult(0, 5, 50, 1.0, 5.0, 1, 4, "AssertionError: lost", deviating=True)

    assert result.repeat == "World(4, deviating=0.15).run()"
