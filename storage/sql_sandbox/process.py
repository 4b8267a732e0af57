"""Runs a query in a process of its own, and kills the process at the deadline."""

import json
import logging
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol, cast

import pyarrow as pa

from storage.files.bounded_table import TableTooLarge
from storage.sql_sandbox import wire
from storage.sql_sandbox.config import SandboxConfig
from storage.sql_sandbox.encoding import Form
from storage.sql_sandbox.errors import SqlCrashed, SqlInvalid, SqlRefused, SqlTimedOut, SqlTooLarge

_ROOT = Path(__file__).parents[2]
_MOST_REPLY = 1 << 20
_PIECE = 256 << 10
_LOG = logging.getLogger(__name__)


class Views(Protocol):
    """One user's mail as tables. `storage.sql_sandbox.views.MailViews` is one."""

    @property
    def names(self) -> Sequence[str]: ...

    def table(self, name: str, columns: Sequence[str] | None, most_bytes: int) -> pa.Table:
        """A view with at least the given columns that it has; None: with all. Raises TableTooLarge."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An encoded result in a temporary file, which is deleted when it is closed."""

    file: BinaryIO
    size: int
    truncated: bool


def ask(sql: str, views: Views, config: SandboxConfig, checked: bool = True) -> tuple[pa.Table, bool]:
    """Run a query; return its result as a table, and whether rows were cut off. Blocking. For local use.

    Raises:
        The errors of `ask_coded`.
    """
    answer = ask_coded(sql, views, config, "arrow", checked)
    with answer.file as file:
        try:
            return wire.unpacked(file.read()), answer.truncated
        except (pa.ArrowException, ValueError) as exc:
            raise SqlCrashed("its answer is none") from exc


def ask_coded(sql: str, views: Views, config: SandboxConfig, form: Form, checked: bool = True) -> Answer:
    """Run a query; its process encodes the result, which is copied to a file in pieces. Blocking.

    Args:
        checked: check the grammar as well; False in tests of the process alone.

    Raises:
        SqlInvalid, SqlRefused, SqlTooLarge, SqlTimedOut, SqlCrashed; errors of reading the mail.
    """
    with _Child(config) as child:
        child.send(_question(sql, views, config, form, checked))
        wanted = child.reply()
        tables = _tables(views, wanted["views"], wanted["columns"], config)
        child.send(json.dumps(list(tables)).encode())
        for table in tables.values():
            child.send(wire.packed(table))
        outcome = child.reply()
        _warn_of_gaps(tuple(outcome["missing"]))
        file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_PIECE))  # noqa: SIM115 - the caller closes it
        try:
            size = child.receive_into(file, config.result_bytes)
        except BaseException:
            file.close()
            raise
    file.seek(0)
    return Answer(file, size, bool(outcome["truncated"]))


@cache
def _warn_of_gaps(missing: tuple[str, ...]) -> None:
    """Log once which confinement features this system lacks."""
    if missing:
        _LOG.warning("This system has no %s: SQL is held by DuckDB's settings and the rest", ", ".join(missing))


def _question(sql: str, views: Views, config: SandboxConfig, form: Form, checked: bool) -> bytes:
    limits = config.model_dump(exclude={"concurrent_queries"})
    encoded = json.dumps({"sql": sql, "views": list(views.names), "checked": checked, "form": form, **limits}).encode()
    if len(encoded) > _MOST_REPLY:
        raise SqlRefused("so long a statement")
    return encoded


def _tables(
    views: Views, names: Sequence[str], columns: Sequence[str] | None, config: SandboxConfig
) -> Mapping[str, pa.Table]:
    tables, left = {}, config.input_bytes
    for name in names:
        if name not in views.names:
            raise SqlCrashed("it requests an unknown view")
        try:
            tables[name] = views.table(name, columns, left)
        except TableTooLarge as exc:
            raise SqlTooLarge(f"it reads more than {config.input_bytes >> 20} MiB") from exc
        left -= tables[name].nbytes
    return tables


class _Child:
    """The query's process."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config

    def __enter__(self) -> "_Child":
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", f"import sys; sys.path[0:0] = [{str(_ROOT)!r}]; {_MAIN}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            cwd="/",
            close_fds=True,
            start_new_session=True,
        )
        self._deadline = time.monotonic() + self._config.time_s
        self._timer = threading.Timer(self._config.time_s, self._process.kill)  # also covers writing to the process
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                self._quietly(pipe.close)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, content: bytes | memoryview) -> None:
        """Send a message to the process."""
        assert self._process.stdin is not None
        try:
            for piece in wire.framed(content):
                self._process.stdin.write(piece)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._explain()

    def reply(self) -> Mapping[str, Any]:
        """Receive a reply of the process.

        Raises:
            SqlInvalid, SqlRefused, SqlTooLarge: reported by the process.
        """
        try:
            reply: Mapping[str, Any] = json.loads(self.receive(_MOST_REPLY))
        except ValueError as exc:
            raise SqlCrashed("its reply cannot be read") from exc
        reason = str(reply.get("reason", ""))
        match reply.get("error"):
            case "invalid":
                raise SqlInvalid(reason)
            case "refused":
                raise SqlRefused(reason)
            case "too_large":
                raise SqlTooLarge(reason)
        return reply

    def receive(self, most: int) -> bytes:
        """Receive a message of the process."""
        return wire.read(self._exactly, most)

    def receive_into(self, file: BinaryIO, most: int) -> int:
        """Receive a message into a file; return its size in bytes.

        Raises:
            SqlCrashed: the message is longer than `most`.
        """
        (left,) = (size,) = wire.LENGTH.unpack(self._exactly(wire.LENGTH.size))
        if size > most:
            raise SqlCrashed("its answer is larger than it may be")
        while left:
            piece = self._exactly(min(left, _PIECE))
            file.write(piece)
            left -= len(piece)
        return int(size)

    def _exactly(self, length: int) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        pieces, left = [], length
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while left:
                if not selector.select(max(self._deadline - time.monotonic(), 0) + 0.5):
                    raise SqlTimedOut(self._config.time_s)
                piece = os.read(descriptor, min(left, 1 << 20))
                if not piece:
                    self._explain()
                pieces.append(piece)
                left -= len(piece)
        return b"".join(pieces)

    def _explain(self) -> NoReturn:
        """Raise the error that explains how the process ended."""
        code = self._process.wait()
        if time.monotonic() >= self._deadline or (code in (-24, -9) and time.monotonic() >= self._deadline - 0.2):
            raise SqlTimedOut(self._config.time_s)
        if code == -24:  # SIGXCPU
            raise SqlTimedOut(self._config.time_s)
        raise SqlCrashed(f"exit code {code}")

    @staticmethod
    def _quietly(close: Callable[[], None]) -> None:
        try:
            close()
        except BrokenPipeError:
            return  # the process has ended and will not read the rest


_MAIN = "from storage.sql_sandbox.child import main; main()"
