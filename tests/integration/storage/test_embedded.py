"""The embedded PostgreSQL with real servers and real processes: shared, killed, taken over."""

import contextlib
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from storage.db.migrate import create_database
from storage.embedded_postgres import postmaster
from storage.embedded_postgres.account import for_server
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.embedded_postgres.errors import (
    NotOurs,
)
from tests.integration.storage.embedded_servers import (
    Holder,
    config_of,
    one,
    postmaster_of,
    tree,
)


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


@pytest.mark.parametrize("source", ["path", "wheel"])
def test_a_server_keeps_what_was_committed_when_all_its_processes_are_killed(directory: Path, source: str) -> None:
    config = config_of(source)
    with EmbeddedPostgres(directory, config) as server:
        dsn = server.dsn("postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        victims = tree(directory)
        for process in victims:
            with contextlib.suppress(psutil.NoSuchProcess):  # a worker may end by itself first
                process.kill()
        psutil.wait_procs(victims, timeout=30)
        assert postmaster_of(directory) is None

    with EmbeddedPostgres(directory, config) as server:
        assert one(server.dsn("postgres"), "SELECT count(*) FROM kept") == 1000
    assert postmaster_of(directory) is None


def test_a_new_server_is_private_and_durable(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server:
        dsn = server.dsn("postgres")
        settings = {
            name: one(dsn, f"SHOW {name}")
            for name in (
                *("listen_addresses", "fsync", "data_checksums", "server_encoding", "timezone"),
                *("min_wal_size", "max_wal_size"),
            )
        }
        methods = one(dsn, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules")
        connections = psutil.Process(tree(directory)[0].pid).net_connections("inet")

    assert settings == {
        "listen_addresses": "",
        "fsync": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "timezone": "UTC",
        "min_wal_size": "32MB",
        "max_wal_size": "64MB",
    }
    assert methods == "scram-sha-256"
    assert connections == []
    modes = {name: stat.S_IMODE((directory / name).stat().st_mode) for name in ("data", "socket", "password")}
    assert modes == {"data": 0o700, "socket": 0o700, "password": 0o600}


def test_four_processes_that_start_at_once_share_one_server(directory: Path) -> None:
    holders = [Holder(directory) for _ in range(4)]
    dsns = [holder.said() for holder in holders]

    assert len({one(dsn, "SELECT pg_postmaster_start_time()::text") for dsn in dsns}) == 1

    for holder in holders[:-1]:
        holder.leave()
        assert one(dsns[-1], "SELECT 1") == 1
    holders[-1].leave()
    assert postmaster_of(directory) is None


def test_a_server_whose_user_was_killed_is_taken_over_and_stopped_by_the_next(directory: Path) -> None:
    first = Holder(directory)
    started = one(first.said(), "SELECT pg_postmaster_start_time()::text")
    first.kill()

    with EmbeddedPostgres(directory) as server:
        assert one(server.dsn("postgres"), "SELECT pg_postmaster_start_time()::text") == started
    assert postmaster_of(directory) is None


def test_a_user_killed_with_the_server_leaves_nothing_in_the_way(directory: Path) -> None:
    holder = Holder(directory)
    assert holder.said().startswith("postgresql://")
    victims = tree(directory)
    holder.kill()
    victims[0].kill()

    with EmbeddedPostgres(directory) as server:
        assert one(server.dsn("postgres"), "SELECT 1") == 1


def test_the_id_of_a_foreign_process_in_postmaster_pid_is_not_believed(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server:
        sockets = Path(server.dsn("x").split("host=")[1].split("&")[0].replace("%2F", "/"))
    account = for_server(directory / "data", None)
    program = ["sleep", "600"]
    foreign = account.popen(program, cwd=Path("/"), output=subprocess.DEVNULL)
    try:
        (directory / "data" / "postmaster.pid").write_text(
            f"{foreign.pid}\n{directory / 'data'}\n1700000000\n5432\n{sockets}\n\n  5432001  65536\nready\n"
        )
        with EmbeddedPostgres(directory) as server:
            assert one(server.dsn("postgres"), "SELECT 1") == 1
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_a_server_that_another_process_stopped_leaves_no_zombie_with_its_starter(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    server.start()
    process = postmaster_of(directory)
    assert process is not None
    other = Holder(directory)
    other.said()
    server.close()
    assert process.is_running()

    other.leave()

    wait_for(lambda: not psutil.pid_exists(process.pid))
    assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []


def test_an_interrupt_from_the_terminal_does_not_reach_the_server(directory: Path) -> None:
    with EmbeddedPostgres(directory):
        server = tree(directory)[0]
        assert os.getsid(server.pid) == server.pid
        assert os.getpgid(server.pid) == server.pid


def test_two_uses_in_one_process_are_two_users(directory: Path) -> None:
    with EmbeddedPostgres(directory) as outer:
        with EmbeddedPostgres(directory) as inner:
            assert inner.dsn("postgres") == outer.dsn("postgres")
        assert one(outer.dsn("postgres"), "SELECT 1") == 1
    assert postmaster_of(directory) is None


def test_a_database_is_created_once_however_many_ask(postgres: EmbeddedPostgres) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create_database, [postgres.dsn("asked for by 4")] * 4))

    assert one(postgres.dsn("asked for by 4"), "SELECT current_database()") == "asked for by 4"


def test_the_password_is_shown_nowhere(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server:
        password = (directory / "password").read_text()
        assert len(password) >= 32
        assert password not in repr(server)
        assert password not in " ".join(tree(directory)[0].cmdline())
    assert password not in (directory / "postgres.log").read_text()


def test_a_directory_with_a_long_name_gets_a_short_private_place_for_its_socket(home: Path) -> None:
    directory = home / ("long" * 30) / "postgres"
    directory.parent.mkdir()
    with EmbeddedPostgres(directory) as server:
        assert one(server.dsn("postgres"), "SELECT 1") == 1
        sockets = postmaster.socket_directory(directory.resolve() / "data")
    assert sockets is not None
    assert directory not in sockets.parents
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700

    sockets.rmdir()
    sockets.symlink_to(home)
    with pytest.raises(NotOurs, match=sockets.name):
        EmbeddedPostgres(directory).start()
    sockets.unlink()


def test_sigterm_to_a_waiting_holder_is_like_being_killed(directory: Path) -> None:
    holder = Holder(directory)
    holder.said()
    holder.process.send_signal(signal.SIGTERM)
    assert holder.process.wait(30) == -signal.SIGTERM
    holder.kill()

    with EmbeddedPostgres(directory) as server:
        assert one(server.dsn("postgres"), "SELECT 1") == 1
    assert postmaster_of(directory) is None
