"""SIGKILL for processes of one cluster, chosen by chance among its descendants."""

import random
from collections import Counter

import psutil

#: What is killed, by the titles that Ray gives its processes.
_VICTIMS = {
    "worker": ("ray::fetch", "ray::write_segment", "ray::list_page", "ray::history", "ray::pin", "ray::IDLE"),
    "shard": ("ray::_ShardHost",),
    "broker": ("ray::_BrokerHost",),
}
KINDS = tuple(_VICTIMS)


class Killer:
    """Kills descendants of one process, and counts them."""

    def __init__(self, pid: int, seed: int) -> None:
        self._cluster, self._random = psutil.Process(pid), random.Random(seed)
        self.killed: Counter[str] = Counter()

    def kill(self, kind: str) -> None:
        """Kill one process of a kind, if there is one at the moment."""
        found = [process for process in self._cluster.children(recursive=True) if _title(process, kind)]
        if found:
            self._random.choice(found).kill()
            self.killed[kind] += 1


def _title(process: psutil.Process, kind: str) -> bool:
    try:
        return " ".join(process.cmdline()).startswith(_VICTIMS[kind])
    except psutil.Error:
        return False
