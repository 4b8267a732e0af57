"""`gbm bench simulation`: the engine's deterministic simulation over many seeds, on all cores.

The simulation is part of tests/, which wheels do not contain: run it from a checkout.
"""

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.errors import BackupError

_WORLD = "tests.unit.actors.simulation.world"
#: Seeds per work item: many enough for low overhead, few enough for a smooth progress bar.
_CHUNK = 10


class SimulationMissing(BackupError):
    """The simulation cannot be imported. Run it from a checkout."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"The simulation is not here ({self.reason}): it is part of the tests, which are not installed;"
            " run this in a checkout of the project."
        )


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """Results of the seeds. `failed`: the first seed that violated an invariant, and how; None if none did."""

    first: int
    seeds: int
    steps: int
    seconds: float
    seeds_per_s: float
    processes: int
    failed: int | None
    failure: str | None
    deviating: bool = False

    @property
    def repeat(self) -> str:
        """What runs the failed seed again."""
        assert self.failed is not None
        rate = f", deviating={deviation_rate(self.failed)}" if self.deviating else ""
        return f"World({self.failed}{rate}).run()"

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SeedRun:
    """The run of one seed: its steps and its failure, if any."""

    seed: int
    steps: int
    failure: str | None


def bench_simulation(
    seeds: int, first: int, report: Callable[[int], None], deviating: bool = False
) -> SimulationResult:
    """Run `seeds` seeds, starting with `first`, until one fails.

    Args:
        report: called with the number of finished seeds.
        deviating: Gmail answers wrongly, at a rate that the seed decides.

    Raises:
        SimulationMissing.
    """
    _world()
    processes = min(os.cpu_count() or 1, seeds)
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        ran, steps, failed = until_failure(
            pool.imap(run_deviating if deviating else run_seed, range(first, first + seeds), _CHUNK), report
        )
    seconds = time.monotonic() - started
    return SimulationResult(
        first=first,
        seeds=ran,
        steps=steps,
        seconds=round(seconds, 2),
        seeds_per_s=round(ran / max(seconds, 1e-9), 1),
        processes=processes,
        failed=failed.seed if failed else None,
        failure=failed.failure if failed else None,
        deviating=deviating,
    )


def until_failure(runs: Iterator[SeedRun], report: Callable[[int], None]) -> tuple[int, int, SeedRun | None]:
    """Return the finished seeds, their steps and the first failure, without waiting for later runs."""
    ran = steps = 0
    for run in runs:
        ran, steps = ran + 1, steps + run.steps
        report(ran)
        if run.failure is not None:
            return ran, steps, run
    return ran, steps, None


def run_seed(seed: int) -> SeedRun:
    """Run one seed to its end or its first exception."""
    return _run(seed, 0.0)


def run_deviating(seed: int) -> SeedRun:
    """The same of a Gmail that answers wrongly."""
    return _run(seed, deviation_rate(seed))


def deviation_rate(seed: int) -> float:
    """The share of Gmail's answers that deviate, by the seed."""
    return (0.05, 0.15, 0.3)[seed % 3]


def _run(seed: int, deviating: float) -> SeedRun:
    try:
        world = _world()(seed, deviating=deviating)
        world.run()
    except Exception as exc:  # noqa: BLE001 - a defect of the engine shows as any exception, and must name its seed
        return SeedRun(seed, 0, f"{type(exc).__name__}: {exc}")
    return SeedRun(seed, world.steps, None)


def _world() -> Any:
    checkout = str(Path(__file__).parents[2])
    if checkout not in sys.path:  # the `gbm` command does not look beside the installed packages
        sys.path.append(checkout)
    try:
        return importlib.import_module(_WORLD).World
    except ImportError as exc:
        raise SimulationMissing(str(exc)) from exc
