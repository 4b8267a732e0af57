"""Limits of the system that a cluster may exceed: named at the start, with the command that raises them.

The limit of open files is checked where it bounds the gateway's connections (haproxy.py). Nothing in the
cluster uses inotify.
"""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from storage.errors import BackupError

#: An idle cluster of two shards has about 500 processes and threads; each replica and worker adds about 20.
_PROCESSES = 1000
_SHM = Path("/dev/shm")  # noqa: S108 - not written to


class TooFewProcesses(BackupError):
    """The limit of processes is too low for a cluster. Raise it."""

    def __init__(self, limit: int, needed: int, raised_by: str) -> None:
        super().__init__(limit, needed, raised_by)
        self.limit, self.needed, self.raised_by = limit, needed, raised_by

    def __str__(self) -> str:
        return (
            f"Only {self.limit} processes and threads may run, and a cluster needs {self.needed}: raise the limit with "
            f"{self.raised_by}, then start again."
        )


def require_processes(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> None:
    """Refuse limits under which Ray's processes would die one by one.

    Args:
        root, own: the kernel's files of the groups' limits, and of this process's group.

    Raises:
        TooFewProcesses.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.geteuid() != 0:  # root is exempt
        if hard != resource.RLIM_INFINITY and hard < _PROCESSES:
            raise TooFewProcesses(
                hard, _PROCESSES, f"`ulimit -Hu {_PROCESSES}` as root (or `LimitNPROC=` of the service)"
            )
        if soft != resource.RLIM_INFINITY and soft < _PROCESSES:
            resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
    for limit in _group_limits(root, own):
        if limit < _PROCESSES:
            raise TooFewProcesses(
                limit, _PROCESSES, f"`--pids-limit={_PROCESSES}` of the container (or `TasksMax=` of the service)"
            )


def lacking_memory(wanted_bytes: int, shm: Path = _SHM) -> str:
    """A warning about the system's shared memory; "": there is enough for Ray's objects."""
    if not sys.platform.startswith("linux") or not shm.is_dir():
        return ""
    found = os.statvfs(shm)
    free = found.f_bavail * found.f_frsize
    if free >= wanted_bytes:
        return ""
    return (
        f"Ray's objects on disk: {shm} has {free >> 20} MiB free of the {wanted_bytes >> 20} MiB of "
        f"GBM_RAY__OBJECT_STORE_BYTES (raise it with `mount -o remount,size=… {shm}`, or `--shm-size` of the container)"
    )


def _group_limits(root: Path, own: Path) -> Iterator[int]:
    """The process limits of this process's control group and of its ancestors (version 2)."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    group = next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), "")
    folder = root / group
    for each in (folder, *folder.parents):
        try:
            text = (each / "pids.max").read_text().strip()
        except OSError:
            text = "max"
        if text != "max":
            yield int(text)
        if each == root:
            return
