"""Processes of a killed cluster: Ray's proxy and the drivers of jobs outlive the Ray that started them.

Every process of a cluster inherits an environment variable with its home (`MARK`). The holder of the home's lock is its
only cluster, so any other marked process is an orphan and is ended, by its id.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_LOG = logging.getLogger(__name__)

#: Environment variable that every process of a cluster carries.
MARK = "GBM_PROCESS_OF"
_PATIENCE_S = 3.0


def end_orphans(home: Path) -> int:
    """End every process with this home's mark, except this one and its parents; return their number.

    The embedded PostgreSQL is not ended: all processes of the home share it, and it recovers or stops by itself.
    """
    found = list(marked(home))
    for process in found:
        _LOG.info("Ending process %d (%s), left over from a cluster on %s", process.pid, process.name(), home)
        process.terminate()
    _, stubborn = psutil.wait_procs(found, timeout=_PATIENCE_S)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=_PATIENCE_S)
    return len(found)


def marked(home: Path) -> Iterator[psutil.Process]:
    """Every process with this home's mark, except this one, its parents and the embedded PostgreSQL."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        if process.pid in spared:
            continue
        try:
            if process.environ().get(MARK) == str(home) and process.name() != "postgres":
                yield process
        except psutil.Error:
            continue  # it has ended, or belongs to another user
