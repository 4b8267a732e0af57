"""Disk that a home takes, sampled while it is written to."""

import os
from contextlib import suppress
from pathlib import Path

from cluster.home import Home


class DiskMeter:
    """The disk of a home by kind, at the moment at which it took the most."""

    def __init__(self, home: Home) -> None:
        data = home.postgres / "data"
        self._folders = {"archive": home.archive, "databases": data / "base", "log": data / "pg_wal"}
        self.peak: dict[str, int] = {}

    def sample(self) -> None:
        """Sample every kind. Files that are deleted meanwhile count nothing."""
        now = {kind: _bytes(folder) for kind, folder in self._folders.items()}
        if sum(now.values()) > sum(self.peak.values()):
            self.peak = now


def _bytes(folder: Path) -> int:
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                found += Path(place, name).stat().st_blocks * 512
    return found
