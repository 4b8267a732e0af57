"""`gbm bench all`: every benchmark, each in a process of its own, as one document.

`--quick` takes small sizes, so that the whole run ends within ten minutes on two cores; its figures are for comparing
runs of one machine, not for quoting.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import orjson

#: Arguments of each benchmark: of a quick run, and of a full one.
QUICK: Mapping[str, tuple[str, ...]] = {
    "ingest": ("ingest", "--messages", "4000", "--mailboxes", "8"),
    "archive": ("archive", "--messages", "20000", "--users", "8", "--times", "60"),
    "numbers": ("numbers", "--messages", "20000"),
    "as-of": ("as-of", "--messages", "20000", "--events", "10000"),
    "catalog": ("catalog", "--segments", "4000", "--users", "1000"),
    "serve": ("serve", "--messages", "10000", "--seconds", "2"),
    "crowding": ("crowding", "--messages", "3000", "--seconds", "5", "--queries", "8", "--unfinished", "500"),
    "mailboxes": ("mailboxes", "--mailboxes", "1000"),
    "polling": ("mailboxes", "--poll", "--mailboxes", "100"),
    "analysis": ("analysis",),
    "simulation": ("simulation", "--seeds", "100"),
    "upgrade": ("upgrade", "--messages", "20000"),
}
FULL: Mapping[str, tuple[str, ...]] = {
    "ingest": ("ingest", "--messages", "40000"),
    "archive": ("archive", "--messages", "2500000", "--users", "200"),
    "numbers": ("numbers",),
    "as-of": ("as-of",),
    "catalog": ("catalog",),
    "serve": ("serve",),
    "crowding": ("crowding",),
    "mailboxes": ("mailboxes",),
    "polling": ("mailboxes", "--poll", "--mailboxes", "1000"),
    "analysis": ("analysis", "--archive", "100000"),
    "simulation": ("simulation",),
    "upgrade": ("upgrade",),
}

Run = Callable[[tuple[str, ...]], tuple[int, bytes, str]]


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """results: document of each benchmark, by name; failed: the reasons of those without one."""

    machine: str
    seconds: float
    seconds_each: Mapping[str, float]
    results: Mapping[str, object]
    failed: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        """The JSON document that `gbm bench compare` and `gbm bench table` read."""
        return asdict(self)


def bench_all(
    plans: Mapping[str, tuple[str, ...]], report: Callable[[str], None], run: Run | None = None
) -> SuiteResult:
    """Run benchmarks one after the other. One that fails does not stop the others.

    Args:
        report: called with the name of each benchmark before it runs.
        run: runs `gbm bench` with arguments; returns the exit code, standard output, and the last line of the other.
    """
    results: dict[str, object] = {}
    failed: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name, arguments in plans.items():
        report(name)
        began = time.monotonic()
        code, printed, said = (run or _in_a_process)((*arguments, "--json"))
        seconds[name] = round(time.monotonic() - began, 1)
        if code != 0:
            failed[name] = said or f"exit code {code}"
            continue
        try:
            results[name] = orjson.loads(printed)
        except orjson.JSONDecodeError as exc:
            failed[name] = f"its output is no JSON: {exc}"
    return SuiteResult(_machine(), round(sum(seconds.values()), 1), seconds, results, failed)


def _in_a_process(arguments: tuple[str, ...]) -> tuple[int, bytes, str]:
    ended = subprocess.run([sys.executable, "-m", "cluster.main", "bench", *arguments], capture_output=True)
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    return ended.returncode, ended.stdout, lines[-1] if lines else ""


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
