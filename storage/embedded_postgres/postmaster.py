"""The server's process: found by what it is, started as our child, stopped in good order.

A process id on disk proves nothing, because ids are used again: a process counts as this directory's server
only if it is a postgres whose working directory is the data directory.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from storage.embedded_postgres.account import Account
from storage.embedded_postgres.binaries import Binaries
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.errors import DirectoryClosed, InitFailed, ServerUnreachable
from storage.embedded_postgres.layout import PORT, Layout

SUPERUSER = "gbm"


def running(data: Path) -> psutil.Process | None:
    """The postmaster of this data directory, whoever started it; None when there is none."""
    lines = _pid_file(data)
    if not lines or not lines[0].isdigit():
        return None
    try:
        process = psutil.Process(int(lines[0]))
    except psutil.NoSuchProcess:
        return None
    return process if _works_in(process, data) else None


def socket_directory(data: Path) -> Path | None:
    """Where the running server put its socket, as it recorded it itself."""
    lines = _pid_file(data)
    # postmaster.pid, line by line: pid, data directory, start time, port, socket directory, ...
    return Path(lines[4]) if len(lines) > 4 and lines[4] else None


def initialise(layout: Layout, binaries: Binaries) -> None:
    """Create the data directory: complete, or not at all.

    Raises:
        InitFailed: initdb refused.
        DirectoryClosed: the account cannot reach the programs or the directory.
    """
    for part in layout.parts_of_initdb():
        shutil.rmtree(part)
    layout.new_password()
    part = Path(tempfile.mkdtemp(prefix="initdb-", dir=layout.directory))
    layout.account.own(part)
    arguments: list[str | Path] = [
        *(binaries.initdb, "--pgdata", part, "--username", SUPERUSER, "--pwfile", layout.password_file),
        *("--encoding", "UTF8", "--locale", "C", "--auth", "scram-sha-256"),
        *("--data-checksums", "--no-instructions"),
    ]
    process = _popen(layout, arguments, output=subprocess.PIPE)
    said = process.communicate()[0].decode(errors="replace")
    if process.returncode != 0:
        shutil.rmtree(part, ignore_errors=True)
        problems = [line for line in said.splitlines() if "error:" in line or "FATAL" in line]
        lines = problems or said.splitlines() or [f"initdb ended with {process.returncode}"]
        raise InitFailed(str(layout.data), lines[0].strip().rstrip(".") + ".")
    part.rename(layout.data)
    descriptor = os.open(layout.directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def start(layout: Layout, binaries: Binaries, config: EmbeddedConfig, sockets: Path) -> subprocess.Popen[bytes]:
    """Start the server and return at once; it recovers by itself from whatever ended it last time.

    The caller holds the life cycle's lock and has seen that no server answers and none runs.

    Raises:
        ServerUnreachable: processes of the last run do not end.
        DirectoryClosed: the account cannot reach the programs or the directory.
    """
    _end_orphans(layout, config.stop_timeout_s)
    # The ids in these may be zombies, or other processes of the account by now, which would stop the server.
    for stale in (layout.data / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock"):
        stale.unlink(missing_ok=True)
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "max_connections": str(config.max_connections),
        "shared_buffers": config.shared_buffers,
        "fsync": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
        "log_destination": "stderr",
        **config.settings,
    }
    if layout.log.exists() and layout.log.stat().st_size > config.log_limit_bytes:
        layout.log.rename(layout.log.with_suffix(".log.1"))
    log = layout.open_file(layout.log, os.O_WRONLY | os.O_APPEND)
    try:
        flags = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        process = _popen(layout, [binaries.postgres, "-D", layout.data, *flags], output=log)
    finally:
        os.close(log)
    # Another holder may be the one that stops it: whoever does, we take its exit status and leave no zombie.
    threading.Thread(target=process.wait, name="postgres-reaper", daemon=True).start()
    return process


def stop(process: psutil.Process, timeout_s: float) -> bool:
    """Shut the server down: connections end, everything is written out; return once it is gone.

    Returns:
        False when that took longer than `timeout_s` and the shutdown became an immediate one, which loses no
        committed row and makes the next start recover.
    """
    try:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout_s)
        except psutil.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout_s)
            return False
    except psutil.NoSuchProcess:
        return True
    return True


def _popen(layout: Layout, arguments: list[str | Path], output: int) -> subprocess.Popen[bytes]:
    account: Account = layout.account
    try:
        return account.popen(arguments, cwd=layout.directory, output=output)
    except PermissionError as exc:
        wanted = Path(str(exc.filename))
        closed = account.first_closed(wanted) or wanted
        raise DirectoryClosed(str(closed), account.name, str(wanted)) from exc


def _end_orphans(layout: Layout, timeout_s: float) -> None:
    """End what a killed postmaster left behind.

    Its processes leave by themselves, a long query only when it is done; until then the data cannot be opened
    again. They have lost their server, so nothing they still do can be kept.
    """
    orphans = list(_processes_in(layout.data))
    for process in orphans:
        try:
            process.send_signal(signal.SIGQUIT)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(orphans, timeout=timeout_s)
    if alive:
        ids = ", ".join(str(process.pid) for process in alive)
        raise ServerUnreachable(str(layout.directory), f"processes of its last run do not end ({ids})", str(layout.log))


def _processes_in(data: Path) -> Iterator[psutil.Process]:
    return (process for process in psutil.process_iter() if _works_in(process, data))


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return Path(process.cwd()) == data
    except (psutil.Error, OSError):
        return False


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
