"""`gbm bench simulation`: the engine's deterministic simulation over many seeds, on all cores.

The simulation lives in tests/, which no wheel carries: this runs from a checkout.
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
#: Seeds that a process takes at a time: enough to keep handing out cheap, few enough for a moving progress bar.
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
    """What the seeds showed. `failed`: the first seed that broke an invariant, and how; None: all are clean."""

    first: int
    seeds: int
    steps: int
    seconds: float
    seeds_per_s: float
    processes: int
    failed: int | None
    failure: str | None

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One seed's run: its steps, and what went wrong, if anything."""

    seed: int
    steps: int
    failure: str | None


def bench_simulation(seeds: int, first: int, told: Callable[[int], None]) -> SimulationResult:
    """Run `seeds` seeds from `first` on, until one fails.

    Args:
        told: hears how many have run.

    Raises:
        SimulationMissing.
    """
    _world()
    processes = min(os.cpu_count() or 1, seeds)
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        ran, steps, failed = until_failure(pool.imap(run_seed, range(first, first + seeds), _CHUNK), told)
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
    )


def until_failure(runs: Iterator[SeedRun], told: Callable[[int], None]) -> tuple[int, int, SeedRun | None]:
    """Seeds that ran, their steps, and the first that failed; runs after it are not awaited."""
    ran = steps = 0
    for run in runs:
        ran, steps = ran + 1, steps + run.steps
        told(ran)
        if run.failure is not None:
            return ran, steps, run
    return ran, steps, None


def run_seed(seed: int) -> SeedRun:
    """One seed, to its end or its failure, whatever that is."""
    try:
        world = _world()(seed)
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
