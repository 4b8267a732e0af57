"""A later release of this project, as a program: the same one with migrations planted after the newest."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from storage.db import migrate
from tests.e2e.processes import READY_S
from tests.planted_migrations import plant

_ROOT = Path(__file__).parents[2]


class LaterRelease:
    """The program, by the folder of its migrations."""

    def __init__(self, folder: Path) -> None:
        plant(folder, pause_s=0.1)
        self._folder = folder

    def run(self, *command: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            self._command(*command), env=dict(env), capture_output=True, text=True, timeout=READY_S, cwd=_ROOT
        )

    def killed(self, env: Mapping[str, str], after_s: float) -> bool:
        """Upgrade, and send SIGKILL so long after the upgrade's first word; False: it ended before."""
        process = subprocess.Popen(
            self._command("upgrade"), env=dict(env), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=_ROOT
        )
        assert process.stderr is not None
        with process, process.stderr:
            line = process.stderr.readline()
            assert line.startswith(b"upgrading: "), line
            reading = threading.Thread(target=process.stderr.read, daemon=True)
            reading.start()
            try:
                process.wait(after_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.wait(30)
            reading.join(30)
        assert process.returncode in (0, -signal.SIGKILL)
        return process.returncode == -signal.SIGKILL

    @contextmanager
    def here(self) -> Iterator[None]:
        """Be the later release in this process until the block ends."""
        before = migrate._MIGRATIONS
        migrate._MIGRATIONS = self._folder
        migrate._revisions.cache_clear()
        try:
            yield
        finally:
            migrate._MIGRATIONS = before
            migrate._revisions.cache_clear()

    def _command(self, *command: str) -> list[str]:
        return [sys.executable, "-m", "tests.planted_migrations", str(self._folder), *command]
