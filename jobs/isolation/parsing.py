"""Parses mail one message at a time in a child process, after its batch hung, crashed or exhausted memory.

A message that exceeds a limit in the child keeps what its header block says and gets a defect; every other message is
read as always. A crash of a worker or machine marks no message: only a limit that the message itself exceeded does.
"""

import logging
import pickle
import re
import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from jobs.isolation.config import ParseLimits
from jobs.isolation.parsing_child import MEMORY, VALUE
from jobs.isolation.process import ChildFailed, ChildProcess
from jobs.mime.message import ParsedMessage
from jobs.mime.parser import PARSER_FAILED, parse
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)

#: Defects of a message on which the parser, the analysers or the word index took too long, exhausted memory, or ended
#: the process: storage.model.results.UNPARSABLE.
PARSER_TIMEOUT, PARSER_MEMORY, PARSER_CRASHED = "parser-timeout", "parser-memory", "parser-crashed"

#: Seconds in which the child starts and loads the analysers.
_START_S = 60.0
_MOST_ANSWER_BYTES = 1 << 30
_MOST_HEADER_BYTES = 256 << 10
_HEADER_END = re.compile(rb"\r?\n\r?\n|\r\r")
#: How a process ends whose C or Rust code gets no memory.
_OUT_OF_MEMORY = (-signal.SIGABRT, -signal.SIGKILL)

Analyse = Callable[[Sequence[ParsedMessage]], pa.Table]


#: The module that the child runs.
CHILD = "jobs.isolation.parsing_child"


class IsolationFailed(BackupError):
    """The child process does not start. Write the segment again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The process that parses suspect mail does not start ({self.reason}): retry when the machine has room."


class Read(NamedTuple):
    """A message as it is stored. analysis: one row; None: not analysed."""

    message: ParsedMessage
    analysis: pa.Table | None


class _Stopped(Exception):
    """A step exceeded a limit, or crashed the child. code: a defect."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class IsolatedParser:
    """Owns the child process. Not thread-safe."""

    def __init__(self, limits: ParseLimits, analyse: Analyse | None) -> None:
        """`analyse`: pickled; it must be importable by name."""
        self._limits, self._analyse = limits, analyse
        self._child = ChildProcess(CHILD, [str(limits.memory_bytes)])

    def read(self, raw: bytes) -> Read:
        """Parse, index and analyse a message.

        Raises:
            IsolationFailed: the message is not at fault.
        """
        timeout_s = self._limits.timeout_s(len(raw))
        try:
            message = self._parsed(raw, timeout_s)
        except _Stopped as stopped:
            return Read(self._of_headers(raw, stopped.code), None)
        try:
            self._ask("index", None, timeout_s)
        except _Stopped as stopped:
            return Read(self._of_headers(raw, stopped.code), None)
        return self._analysed(message, timeout_s)

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def _parsed(self, raw: bytes, timeout_s: float) -> ParsedMessage:
        was_running = self._child.running
        try:
            answer = self._ask("parse", raw, timeout_s)
        except _Stopped as stopped:
            # Memory that earlier messages left behind is not this one's fault: once more, in a child of its own.
            if stopped.code == PARSER_TIMEOUT or not was_running:
                raise
            answer = self._ask("parse", raw, timeout_s)
        message: ParsedMessage = pickle.loads(answer)  # noqa: S301 - written by our own code
        return message

    def _analysed(self, message: ParsedMessage, timeout_s: float) -> Read:
        if self._analyse is None:
            return Read(message, None)
        try:
            return Read(message, pa.ipc.open_stream(self._ask("analyse", None, timeout_s)).read_all())
        except _Stopped as stopped:
            if stopped.code == PARSER_FAILED:  # an analyser raised: the message can be analysed later
                return Read(message, None)
            return Read(message._replace(defects=[*message.defects, stopped.code]), None)

    def _of_headers(self, raw: bytes, code: str) -> ParsedMessage:
        """What the header block alone says, so that the message can be found; nothing, when that fails as well."""
        head = raw[:_MOST_HEADER_BYTES]
        end = _HEADER_END.search(head)
        head = head[: end.end()] if end else head
        try:
            message: ParsedMessage = pickle.loads(  # noqa: S301 - written by our own code
                self._ask("parse", head, self._limits.timeout_s(len(head)))
            )
            self._ask("index", None, self._limits.message_s)
        except _Stopped:
            message = parse(b"")
        _LOG.warning("A message of %d bytes is stored without its content: %s", len(raw), code)
        return message._replace(defects=[code])

    def _ask(self, step: str, argument: object, timeout_s: float) -> bytes:
        """A step's result.

        Raises:
            _Stopped.
        """
        if not self._child.running:
            self._begin()
        answer = self._exchange(step, argument, timeout_s)
        if answer[:1] == VALUE:
            return answer[1:]
        if answer[:1] == MEMORY:
            self._child.close()
            raise _Stopped(PARSER_MEMORY)
        _LOG.error("The step %s failed on a message: %s", step, answer[1:].decode("utf-8", "replace"))
        raise _Stopped(PARSER_FAILED)

    def _begin(self) -> None:
        try:
            answer = self._exchange("begin", self._analyse, _START_S)
        except (_Stopped, OSError) as exc:
            raise IsolationFailed(str(exc)) from exc
        if answer[:1] != VALUE:
            self._child.close()
            raise IsolationFailed(answer[1:].decode("utf-8", "replace") or PARSER_MEMORY)

    def _exchange(self, step: str, argument: object, timeout_s: float) -> bytes:
        content = pickle.dumps((step, timeout_s, argument), pickle.HIGHEST_PROTOCOL)
        try:
            return self._child.exchange(content, timeout_s, _MOST_ANSWER_BYTES)
        except ChildFailed as failed:
            if failed.code == "timed-out":
                raise _Stopped(PARSER_TIMEOUT) from failed
            raise _Stopped(PARSER_MEMORY if failed.status in _OUT_OF_MEMORY else PARSER_CRASHED) from failed
