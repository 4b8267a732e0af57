"""The settings with which the embedded server starts."""

from pathlib import Path

import pytest

from storage.embedded_postgres.postmaster import log_settings


@pytest.mark.parametrize(("database_mib", "log_mib"), [(0, 64), (40, 64), (400, 100), (2_000, 500), (1_000_000, 1024)])
def test_the_log_grows_with_the_databases_within_bounds(tmp_path: Path, database_mib: int, log_mib: int) -> None:
    assert log_settings(tmp_path)["max_wal_size"] == "64MB", "a new server"
    (tmp_path / "base" / "1").mkdir(parents=True)
    with (tmp_path / "base" / "1" / "2619").open("wb") as file:
        file.truncate(database_mib << 20)

    assert log_settings(tmp_path)["max_wal_size"] == f"{log_mib}MB"
