"""An upgrade that is killed at any statement of it is gone on with by the next start, with the same result."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cluster.upgrade.database_copy import DatabaseCopies
from cluster.upgrade.home_version import HomeVersion
from storage.db import migrate
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.recovery.backup_manifest import read_manifest
from tests.integration.cluster.upgrade.conftest import Installation, everything

Kill = Callable[[int], int]


@pytest.fixture
def kill(installation: Installation, later: Path) -> Iterator[Kill]:
    """Call it with N to upgrade the installation and be killed at the N-th statement; returns the wait status."""
    control, *shards = installation.databases.dsns()
    plain = [dsn.replace("postgresql+psycopg", "postgresql") for dsn in (control, *shards)]
    asked = {"home": str(installation.home.root), "control": plain[0], "shards": plain[1:]}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.cluster.upgrade.killed", str(later)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def upgrade(at: int) -> int:
            stdin.write(json.dumps({**asked, "at": at}) + "\n")
            stdin.flush()
            return int(stdout.readline())

        yield upgrade
        stdin.close()
        assert process.wait(30) == 0


@pytest.fixture
def reset(installation: Installation, postgres: EmbeddedPostgres) -> Iterator[Callable[[], None]]:
    """Call it to have the installation as it was before any upgrade."""
    urls = [installation.databases.control.url, *(installation.databases.shard_database(n).url for n in range(2))]
    names = [str(url.database) for url in urls]
    version = HomeVersion.read(installation.home.root)
    installation.databases.close()
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        for name in names:
            _copy(connection, name, f"kept_{name}")

        def again() -> None:
            installation.databases.close()
            for name in names:
                _copy(connection, f"kept_{name}", name)
            version.write(installation.home.root)
            shutil.rmtree(installation.home.root / "copies", ignore_errors=True)

        yield again
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(f"kept_{name}")))


def _copy(connection: "psycopg.Connection[tuple[object, ...]]", source: str, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source)))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_next_start_goes_on_wherever_an_upgrade_was_killed(
    installation: Installation, kill: Kill, reset: Callable[[], None]
) -> None:
    before = migrate.revisions(installation.databases)
    assert kill(1_000_000) == 0
    wanted = everything(installation.databases)
    begun = 0

    for at in count(1):
        reset()
        if kill(at) == 0:
            break
        under_way = HomeVersion.read(installation.home.root).under_way
        begun += under_way is not None
        assert (migrate.revisions(installation.databases) == before) or under_way, "the home says it before it begins"
        assert kill(1_000_000) == 0, f"the next start after statement {at}"
        assert everything(installation.databases) == wanted, f"killed at statement {at}"
        version = HomeVersion.read(installation.home.root)
        assert version.under_way is None
        copies = DatabaseCopies(installation.home.root / "copies").all()
        assert copies and all(copy.revisions == before for copy in copies), f"killed at statement {at}"
        read_manifest(copies[0].path)
    assert at > 60, "so many statements an upgrade has"
    assert begun > 30
