"""A primary and streaming standbys of it: real servers in a home of their own, each an `EmbeddedPostgres`."""

import os
import shutil
import subprocess
from pathlib import Path

import psutil
import psycopg

from storage.embedded_postgres import binaries, postmaster
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.embedded_postgres.layout import Layout

CONFIG = EmbeddedConfig(
    shared_buffers="32MB",
    settings={
        "wal_level": "replica",
        "max_standby_streaming_delay": "0",  # a conflict with recovery breaks a read off at once
        "wal_retrieve_retry_interval": "100ms",
    },
)


class Server:
    """One server, to be asked, paused and killed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server = EmbeddedPostgres(directory, CONFIG)
        self.server.start()

    def dsn(self, database: str) -> str:
        return self.server.dsn(database)

    def ask(self, statement: str) -> object:
        """The first value of the answer."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None

    def pause(self) -> None:
        """Replay nothing more; return once it does not."""
        self.ask("SELECT pg_wal_replay_pause()")
        while self.ask("SELECT pg_get_wal_replay_pause_state()") != "paused":
            pass

    def resume(self) -> None:
        self.ask("SELECT pg_wal_replay_resume()")

    def kill(self) -> None:
        """SIGKILL the postmaster and everything it started."""
        process = postmaster.running(self.directory.resolve() / "data")
        assert process is not None
        family = [process, *process.children(recursive=True)]
        for each in family:
            each.kill()
        psutil.wait_procs(family)

    def restart(self) -> None:
        """After `kill`: the same server recovers, under the same DSN."""
        self.server.close()
        self.server = EmbeddedPostgres(self.directory, CONFIG)
        self.server.start()


def standby_of(primary: Server, directory: Path) -> Server:
    """A streaming standby of it, copied now."""
    layout = Layout(primary.directory, None)
    found = binaries.reachable(binaries.find(CONFIG, layout.data), layout.account, layout.directory)
    directory.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
    shutil.copy2(layout.password_file, directory / "password")
    data = directory / "data"
    data.mkdir(mode=0o700)
    layout.account.own(data)
    copying = layout.account.popen(
        [
            *(found.directory / "pg_basebackup", "-D", data, "-R", "-c", "fast", "-X", "stream", "-N"),
            *("-d", primary.dsn("postgres")),
        ],
        cwd=layout.directory,
        output=subprocess.PIPE,
    )
    said = copying.communicate()[0].decode(errors="replace")
    assert copying.returncode == 0, said
    return Server(directory)
