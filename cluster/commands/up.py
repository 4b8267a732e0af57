"""`gbm up` and `gbm down`: start and stop the local cluster."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cluster.console import command, fail, notes, print_json
from cluster.home import AlreadyRunning, Home, NotRunning
from cluster.lazy_imports import settings
from cluster.signals import wait_for_stop
from storage.errors import BackupError

_START_S = 180.0
_STOP_S = 90.0
_POLL_S = 0.1


class StartFailed(BackupError):
    """The background cluster did not start. Read its log."""

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(reason, log)
        self.reason, self.log = reason, log

    def __str__(self) -> str:
        return f"{self.reason.rstrip('.')}: see the log {self.log}."


@command
def up(
    foreground: Annotated[bool, typer.Option(help="Run in the foreground until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print addresses and process ids as JSON.")] = False,
) -> None:
    """Start the local cluster in the background.

    Starts PostgreSQL (unless GBM_POSTGRES__CONTROL_DSN is set), Ray, the shard owners and the HTTP gateway. Interrupted
    backups resume by themselves. Use --foreground under a service manager.

    Example: gbm up
    """
    in_force = settings()
    home = Home(in_force.home)
    if foreground:
        from cluster.local import local_cluster

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("alembic").setLevel(logging.WARNING)  # storage.db.migrate reports the steps already
        with local_cluster(in_force, _report) as cluster:
            _announce(cluster.api, cluster.dashboard)
            wait_for_stop()
        return
    home.prepare()
    if (pid := home.owner_pid()) is not None:
        raise AlreadyRunning(str(home.root), pid)
    _start_in_background(home, home.logs / "cluster.log")
    facts = home.recorded()
    if json:
        print_json(facts)
    _announce(str(facts["api"]), str(facts["dashboard"]))


@command
def down() -> None:
    """Stop the local cluster. Running backups resume at the next `gbm up`."""
    home = Home(settings().home)
    pid = home.owner_pid()
    if pid is None:
        raise NotRunning(str(home.root))
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while home.owner_pid() == pid:
        if time.monotonic() > deadline:
            fail(f"Process {pid} did not stop within {_STOP_S:.0f} s: see the log {home.logs / 'cluster.log'}.")
        time.sleep(_POLL_S)
    notes.print("Stopped the cluster.")


def _start_in_background(home: Home, log: Path) -> None:
    """Start `gbm up --foreground` detached from this terminal and wait until it is ready."""
    from cluster.upgrade.upgrade import is_under_way

    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "cluster.main", "up", "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_S
    with notes.status("Starting the cluster …") as status:
        while not (home.run / "cluster.json").exists() or home.owner_pid() != process.pid:
            if process.poll() is not None:
                raise StartFailed(_last_words(log, begin), str(log))
            if is_under_way(home):  # do not interrupt a migration, however long it takes
                deadline = time.monotonic() + _START_S
                status.update(_last_line(log, begin))
            if time.monotonic() > deadline:
                process.terminate()
                raise StartFailed(f"The cluster was not ready within {_START_S:.0f} s", str(log))
            time.sleep(_POLL_S)


def _last_words(log: Path, begin: int) -> str:
    """The error message of the background process, on one line."""
    text = log.read_bytes()[begin:].decode(errors="replace")
    _, marker, sentence = text.rpartition("gbm: ")
    return " ".join(sentence.split()) if marker else "The cluster stopped because of an internal error"


def _last_line(log: Path, begin: int) -> str:
    """Last progress line of the background process."""
    lines = log.read_bytes()[begin:].decode(errors="replace").split("\n")
    return next((line[:100] for line in reversed(lines) if line.startswith("starting ")), "Starting the cluster …")


def _report(component: str) -> None:
    notes.print(f"starting {component} …", markup=False)


def _announce(api: str, dashboard: str) -> None:
    notes.print(f"API documentation  {api}/docs", markup=False)
    notes.print(f"Ray dashboard      {dashboard}", markup=False)
    notes.print("To stop the cluster: gbm down", markup=False)
