"""The disk of a home, at its peak."""

from pathlib import Path

from cluster.bench.disk import DiskMeter
from cluster.home import Home


def test_the_peak_is_kept_when_files_are_deleted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    log = home.postgres / "data" / "pg_wal" / "1"
    for path, size_bytes in ((home.archive / "0000" / "a", 1 << 20), (log, 1 << 16), (home.words / "b", 1 << 20)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(range(256)) * (size_bytes >> 8))
    meter = DiskMeter(home)

    meter.sample()
    log.unlink()
    meter.sample()

    assert meter.peak == {"archive": 1 << 20, "databases": 0, "log": 1 << 16}
