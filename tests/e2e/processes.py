"""Real `gbm` processes for tests: started, read, killed whole, and looked for afterwards."""

import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil

from cluster.orphan_processes import MARK

READY_S = 240.0


#: Ports of clusters and of their replicas: each process of pytest-xdist has a share. They lie below those that
#: the kernel gives to whoever names none (32768 and up), so that a free one is still free when the cluster binds it.
_PORTS, _REPLICAS, _WORKERS = range(20_000, 30_000), range(30_000, 32_400), 24
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS


def _share(ports: range) -> range:
    each = len(ports) // _WORKERS
    return ports[_WORKER * each : (_WORKER + 1) * each]


_NEXT = cycle(random.sample(_share(_PORTS), len(_share(_PORTS))))


def free_port() -> int:
    """A port that nobody uses now, and that this process has not named lately."""
    for port in islice(_NEXT, len(_share(_PORTS))):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"every port of {_share(_PORTS)} is taken")


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a `gbm` with a home and ports of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GBM_", "RAY_"))}
    ports = {"GBM_SERVE__PORT": str(free_port()), "GBM_RAY__DASHBOARD_PORT": str(free_port())}
    # A replica that died must not be mistaken for one of another cluster: its proxy asks at the port for a while yet.
    replicas = _share(_REPLICAS)
    ports |= {"RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replicas.start)}
    ports |= {"RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replicas.stop)}
    return {**kept, "GBM_HOME": str(home), **ports, **settings}


def gbm(*arguments: str, env: Mapping[str, str], timeout_s: float = READY_S) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cluster.main", *arguments],
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
    )


class Demo:
    """A running `gbm demo --json`."""

    def __init__(self, process: "subprocess.Popen[bytes]", notes: Path) -> None:
        self.process, self._notes = process, notes
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def summary(self) -> dict[str, Any]:
        """The summary, once it is printed."""
        text, deadline = b"", time.monotonic() + READY_S
        while not text.endswith(b"\n}\n"):
            line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.1))
            assert line is not None, f"the demonstration ended early: {self.notes()}"
            text += line
        document: dict[str, Any] = json.loads(text)
        return document

    def notes(self) -> str:
        """What it has said to people."""
        return self._notes.read_text(errors="replace")[-4000:]

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(READY_S)

    def kill(self) -> None:
        """SIGKILL to the whole tree: the command, PostgreSQL, the simulator, Ray and all its workers."""
        parent = psutil.Process(self.process.pid)
        tree = [parent, *parent.children(recursive=True)]
        for process in tree:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(tree, timeout=30)
        self.process.wait()


@contextmanager
def demo(*arguments: str, env: Mapping[str, str], home: Path) -> Iterator[Demo]:
    """A demonstration, killed at the end if it still runs."""
    notes = home / "notes.txt"
    with notes.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "cluster.main", "demo", "--json", *arguments],
            env=dict(env),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
        )
        running = Demo(process, notes)
        try:
            yield running
        finally:
            if process.poll() is None:
                running.kill()
            if process.stdout is not None:
                process.stdout.close()


def left_running(home: Path) -> list[str]:
    """Processes that belong to a home: marked as its cluster's, or with its path among their arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK) == str(home)
            if marked or any(str(home) in argument for argument in process.cmdline()):
                found.append(f"{process.pid} {' '.join(process.cmdline())[:150]}")
        except psutil.Error:
            continue
    return found


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        threading.Event().wait(0.05)
