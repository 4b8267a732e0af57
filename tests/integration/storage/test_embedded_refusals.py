"""What the embedded PostgreSQL refuses or cannot start, and what its errors name."""

import os
from pathlib import Path

import pytest

from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.embedded_postgres.errors import (
    BinariesMissing,
    NotOurs,
    PasswordMissing,
    ServerUnreachable,
    VersionMismatch,
)
from tests.integration.storage.embedded_servers import one


def test_data_of_another_major_version_are_refused_with_both_versions(directory: Path) -> None:
    with EmbeddedPostgres(directory):
        pass
    (directory / "data" / "PG_VERSION").write_text("11\n")

    with pytest.raises(VersionMismatch, match=r"PostgreSQL 11, but the versions found are \d+"):
        EmbeddedPostgres(directory).start()


def test_a_server_that_does_not_start_is_reported_in_its_own_words(directory: Path) -> None:
    config = EmbeddedConfig(settings={"shared_buffers": "many"})

    with pytest.raises(ServerUnreachable, match="invalid value for parameter"):
        EmbeddedPostgres(directory, config).start()

    with EmbeddedPostgres(directory) as server:
        assert one(server.dsn("postgres"), "SELECT 1") == 1


def test_a_missing_or_open_password_is_refused(directory: Path) -> None:
    with EmbeddedPostgres(directory):
        pass
    password = directory / "password"
    password.chmod(0o644)
    with pytest.raises(NotOurs, match="0600"):
        EmbeddedPostgres(directory).start()
    password.unlink()
    with pytest.raises(PasswordMissing, match=r"put .* back"):
        EmbeddedPostgres(directory).start()


def test_an_interrupted_creation_is_cleared_away(directory: Path) -> None:
    left = directory / "initdb-left" / "base"
    left.mkdir(parents=True)
    if os.geteuid() == 0:
        directory.chmod(0o711)

    with EmbeddedPostgres(directory) as server:
        assert one(server.dsn("postgres"), "SELECT 1") == 1

    assert list(directory.glob("initdb-*")) == []


def test_programs_that_do_not_exist_are_named(directory: Path) -> None:
    config = EmbeddedConfig(bin_directory=directory / "nowhere")

    with pytest.raises(BinariesMissing, match=r"nowhere.*install it"):
        EmbeddedPostgres(directory, config).start()
