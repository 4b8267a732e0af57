"""The server's process: identified, started as our child, stopped cleanly.

A process id on disk proves nothing, because ids are reused: a process counts as this directory's server only if it is a
postgres whose working directory is the data directory.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from storage.embedded_postgres.account import Account
from storage.embedded_postgres.binaries import Binaries
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.errors import DirectoryClosed, InitFailed, ServerUnreachable
from storage.embedded_postgres.layout import PORT, Layout

if TYPE_CHECKING:
    import psutil  # imported where it is used: a command that finds the server running needs none of it

SUPERUSER = "gbm"
#: Bounds of the write-ahead log that the server keeps between two checkpoints, in MiB.
_LEAST_LOG_MIB, _MOST_LOG_MIB = 64, 1024


def running(data: Path) -> "psutil.Process | None":
    """The postmaster of this data directory, regardless of who started it; None: not running."""
    import psutil

    lines = _pid_file(data)
    if not lines or not lines[0].isdigit():
        return None
    try:
        process = psutil.Process(int(lines[0]))
    except psutil.NoSuchProcess:
        return None
    return process if _works_in(process, data) else None


def socket_directory(data: Path) -> Path | None:
    """The running server's socket directory, as recorded in postmaster.pid."""
    lines = _pid_file(data)
    # postmaster.pid, line by line: pid, data directory, start time, port, socket directory, ...
    return Path(lines[4]) if len(lines) > 4 and lines[4] else None


def initialise(layout: Layout, binaries: Binaries) -> None:
    """Create the complete data directory, or none.

    Raises:
        InitFailed: initdb failed.
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
    """Start the server and return at once; it recovers by itself from a crash.

    The caller holds the life cycle's lock and has checked that no server runs.

    Raises:
        ServerUnreachable: processes of the last run do not end.
        DirectoryClosed: the account cannot reach the programs or the directory.
    """
    _end_orphans(layout, config.stop_timeout_s)
    # Process ids in these files may belong to other processes of the account by now, which would prevent the start.
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
        **log_settings(layout.data),
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
    # Another process may stop the server; as its parent we collect its exit status, so no zombie remains.
    threading.Thread(target=process.wait, name="postgres-reaper", daemon=True).start()
    return process


def log_settings(data: Path) -> dict[str, str]:
    """The length of the write-ahead log: a quarter of the databases, at least 64 MiB and at most PostgreSQL's 1 GB.

    The log takes the disk of the machine that the mail is for. A large database needs a long log, because every page is
    logged whole once per checkpoint. After a backfill of 104,000 messages the log took 117 MB with PostgreSQL's
    settings, and 67 MB with these, for 0.0015 ms of CPU more per message (2026-11, 2 shared cores).
    """
    databases_bytes = sum(file.stat().st_size for file in (data / "base").glob("*/*") if file.is_file())
    largest_mib = min(max(databases_bytes // 4 >> 20, _LEAST_LOG_MIB), _MOST_LOG_MIB)
    return {"min_wal_size": "32MB", "max_wal_size": f"{largest_mib}MB", "wal_compression": "on"}


def stop(process: "psutil.Process", timeout_s: float) -> bool:
    """Shut the server down: end connections, write all data; return when the process has ended.

    Returns:
        False when this took longer than `timeout_s` and the shutdown became immediate: no committed row is lost, and
        the next start recovers.
    """
    import psutil

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
    """End the processes left by a killed postmaster.

    They exit by themselves, but only after a running query; until then the data directory cannot be used. Without their
    server, the results of their work are lost anyway.
    """
    import psutil

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


def _processes_in(data: Path) -> "Iterator[psutil.Process]":
    import psutil

    return (process for process in psutil.process_iter() if _works_in(process, data))


def _works_in(process: "psutil.Process", data: Path) -> bool:
    import psutil

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
