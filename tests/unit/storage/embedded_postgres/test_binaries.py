"""Which installation is chosen, with programs that only tell their version."""

from pathlib import Path

import pytest

from storage.embedded_postgres import binaries
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.errors import BinariesMissing, VersionMismatch


def installation(directory: Path, version: str) -> EmbeddedConfig:
    """A directory of programs that call themselves this version."""
    directory.mkdir()
    for name in ("initdb", "postgres"):
        program = directory / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return EmbeddedConfig(bin_directory=directory)


def test_an_empty_directory_setting_uses_the_installed_binaries(tmp_path: Path) -> None:
    config = installation(tmp_path / "bin", "16.4 (Debian 16.4-1)")

    found = binaries.find(config, tmp_path / "data")

    assert (found.major, found.postgres) == (16, tmp_path / "bin" / "postgres")


def test_a_version_that_is_too_old_counts_as_none(tmp_path: Path) -> None:
    config = installation(tmp_path / "bin", "13.9")

    with pytest.raises(BinariesMissing, match="14 or newer"):
        binaries.find(config, tmp_path / "data")


def test_data_bind_the_major_version(tmp_path: Path) -> None:
    config = installation(tmp_path / "bin", "16.4")
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("17\n")

    with pytest.raises(VersionMismatch, match="PostgreSQL 17, but the versions found are 16"):
        binaries.find(config, data)

    (data / "PG_VERSION").write_text("16\n")
    assert binaries.find(config, data).major == 16


def test_programs_that_do_not_run_count_as_none(tmp_path: Path) -> None:
    config = installation(tmp_path / "bin", "16.4")
    (tmp_path / "bin" / "postgres").write_text("#!/bin/sh\nexit 1\n")

    with pytest.raises(BinariesMissing):
        binaries.find(config, tmp_path / "data")
