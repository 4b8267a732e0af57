"""Checks of this machine: data folder, disk, memory, processes, open files, ports, confinement of SQL queries."""

import os
import shutil
import stat
from collections.abc import Iterator

from cluster.doctor.finding import Check, Finding, Level
from cluster.haproxy import connections_within, file_limit
from cluster.home import Home
from cluster.settings import Settings
from cluster.system_limits import lacking_memory, require_processes
from serve.port_check import require_free
from storage.files.blobs import open_blobs
from storage.sql_sandbox import wall

#: Free bytes beyond the reserve below which a disk is reported as nearly full.
_NEARLY_FULL = 2 << 30
#: Free bytes of GBM_HOME below which the databases are at risk.
_HOME_BYTES = 256 << 20


def checks(settings: Settings, home: Home) -> list[Check]:
    """The checks of this machine."""
    return [
        ("home", lambda: home_folder(home)),
        ("archive disk", lambda: archive_disk(settings, home)),
        ("shared memory", lambda: shared_memory(settings)),
        ("processes", processes),
        ("open files", lambda: open_files(settings)),
        ("ports", lambda: ports(settings, home)),
        ("SQL confinement", confinement),
    ]


def home_folder(home: Home) -> Iterator[Finding]:
    """GBM_HOME exists, belongs to this user, and others cannot write to it."""
    if not home.root.exists():
        yield Finding("home", Level.OK, f"{home.root} does not exist yet; the first `gbm up` creates it")
        return
    found = home.root.stat()
    if found.st_uid != os.geteuid():
        owner = f"belongs to user id {found.st_uid}, and this process runs as {os.geteuid()}"
        yield Finding("home", Level.ERROR, f"{home.root} {owner}", "run gbm as the folder's owner, or set GBM_HOME")
        return
    if stat.S_IMODE(found.st_mode) & 0o022:
        writable = f"{home.root} is writable by other users"
        yield Finding("home", Level.ERROR, writable, f"chmod go-w {home.root}")
        return
    free = shutil.disk_usage(home.root).free
    level = Level.OK if free >= _HOME_BYTES else Level.ERROR
    remedy = "" if level is Level.OK else "free space: PostgreSQL stops when its disk is full"
    yield Finding("home", level, f"{home.root}: {_mib(free)} free", remedy)


def archive_disk(settings: Settings, home: Home) -> Iterator[Finding]:
    """The archive's disk has room beyond the reserve."""
    uri = settings.archive.uri or home.archive.as_uri()
    if not settings.archive.uri and not home.archive.exists():
        yield Finding("archive disk", Level.OK, f"{home.archive} does not exist yet")
        return
    free, reserve = open_blobs(uri).free_bytes(), settings.archive.reserve_bytes
    detail = f"{uri}: {_mib(free)} free, of which {_mib(reserve)} stay reserved (GBM_ARCHIVE__RESERVE_BYTES)"
    if free <= reserve:
        remedy = "free space or extend the disk; backups wait until then and lose nothing"
        yield Finding("archive disk", Level.ERROR, detail, remedy)
    elif free <= reserve + _NEARLY_FULL:
        yield Finding("archive disk", Level.WARNING, detail, "free space or extend the disk before backups must wait")
    else:
        yield Finding("archive disk", Level.OK, detail)


def shared_memory(settings: Settings) -> Iterator[Finding]:
    """The shared memory holds Ray's object store."""
    wanted = settings.ray.object_store_bytes
    if problem := lacking_memory(wanted):
        yield Finding("shared memory", Level.WARNING, problem)
    else:
        yield Finding("shared memory", Level.OK, f"enough for Ray's {_mib(wanted)} of objects")


def processes() -> Iterator[Finding]:
    """The limits of processes permit a cluster."""
    require_processes()
    yield Finding("processes", Level.OK, "the limits permit a cluster")


def open_files(settings: Settings) -> Iterator[Finding]:
    """The limit of open files permits the configured number of connections."""
    wanted = settings.serve.edge.connections
    possible = connections_within(wanted, file_limit())
    if possible < wanted:
        detail = f"the limit of open files permits {possible} of {wanted} connections (GBM_SERVE__EDGE__CONNECTIONS)"
        yield Finding("open files", Level.WARNING, detail, "raise the hard limit: `ulimit -Hn` or LimitNOFILE=")
    else:
        yield Finding("open files", Level.OK, f"enough for {wanted} connections")


def ports(settings: Settings, home: Home) -> Iterator[Finding]:
    """The ports are free, unless this home's cluster uses them."""
    if home.existing is not None:
        yield Finding("ports", Level.OK, f"used by the cluster at {home.existing.address}")
        return
    if home.owner_pid() is not None:
        yield Finding("ports", Level.OK, f"used by the running cluster (process {home.owner_pid()})")
        return
    require_free(settings.serve.host, settings.serve.port, "GBM_SERVE__PORT")
    require_free("127.0.0.1", settings.ray.dashboard_port, "GBM_RAY__DASHBOARD_PORT")
    yield Finding("ports", Level.OK, f"{settings.serve.port} and {settings.ray.dashboard_port} are free")


def confinement() -> Iterator[Finding]:
    """The kernel can confine the processes that run owners' SQL."""
    if missing := wall.lacking():
        detail = f"this kernel lacks {', '.join(missing)}: SQL queries are confined by DuckDB's settings alone"
        yield Finding("SQL confinement", Level.WARNING, detail, "use Linux 5.13 or newer with Landlock enabled")
    else:
        yield Finding("SQL confinement", Level.OK, "Landlock and seccomp are available")


def _mib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"
