"""CPU and memory of this process's descendants by kind, as counted by the operating system."""

from collections import defaultdict

import psutil

#: Kinds whose CPU is the project's own; Ray, PostgreSQL and the simulator are reported separately.
OURS = ("owners", "tasks")


class Meter:
    """CPU seconds and memory of all descendants, by kind, from construction to `stop`."""

    def __init__(self) -> None:
        self._before: dict[int, float] = {}
        self._latest: dict[int, tuple[str, float]] = {}
        self.peak_mb: dict[str, float] = {}
        self.peak_total_mb = 0.0
        self.sample()
        self._before = {pid: used for pid, (_, used) in self._latest.items()}

    def sample(self) -> None:
        """Sample every process. A process that has ended keeps its last sample.

        Memory is unshared resident memory: Ray's object store and PostgreSQL's buffers are mapped into many processes
        and would be counted several times.
        """
        memory: dict[str, float] = defaultdict(float)
        for process in psutil.Process().children(recursive=True):
            try:
                with process.oneshot():
                    times, info, kind = process.cpu_times(), process.memory_info(), self._kind(process)
            except psutil.Error:
                continue
            memory[kind] += (info.rss - getattr(info, "shared", 0)) / 1e6
            self._latest[process.pid] = (kind, times.user + times.system)
        for kind, used in memory.items():
            self.peak_mb[kind] = round(max(used, self.peak_mb.get(kind, 0.0)), 1)
        ours = sum(memory[kind] for kind in OURS)
        self.peak_total_mb = round(max(self.peak_total_mb, ours), 1)

    def _kind(self, process: psutil.Process) -> str:
        """The kind of a process. A worker that became an actor stays an owner: its title changes between calls."""
        known = self._latest.get(process.pid)
        return known[0] if known and known[0] not in ("tasks", "ray") else kind_of(process)

    def stop(self) -> dict[str, float]:
        """CPU seconds by kind."""
        self.sample()
        cpu: dict[str, float] = defaultdict(float)
        for pid, (kind, used) in self._latest.items():
            cpu[kind] += used - self._before.get(pid, 0.0)
        return dict(cpu)

    @property
    def started(self) -> int:
        """Task workers started since construction; each start costs seconds of CPU."""
        return sum(kind == "tasks" and pid not in self._before for pid, (kind, _) in self._latest.items())


def kind_of(process: psutil.Process) -> str:
    """Classify a process: owners, tasks, ray, postgres or simulator."""
    title = " ".join(process.cmdline())
    if "cluster.simulator" in title:
        return "simulator"
    if title.startswith("postgres") or process.name() == "postgres":
        return "postgres"
    if "ray::_ShardHost" in title or "ray::_BrokerHost" in title:
        return "owners"
    if title.startswith("ray::") and "Dashboard" not in title:
        return "tasks"
    return "ray"
