"""Parses mail one message at a time in a child process, after its batch hung, crashed or exhausted memory.

A message that exceeds a limit in the child keeps what its header block says and gets a defect; every other message is
read as always. A crash of a worker or machine marks no message: only a limit that the message itself exceeded does.
"""

import logging
import pickle
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from jobs.isolation.config import ParseLimits
from jobs.isolation.results import result
from jobs.isolation.steps import CRASHED, FAILED, OUT_OF_MEMORY, TIMEOUT, StepProcess, Stopped
from jobs.mime.message import ParsedMessage
from jobs.mime.parser import PARSER_FAILED, parse

_LOG = logging.getLogger(__name__)

#: Defects of a message on which the parser, the analysers or the word index took too long, exhausted memory, or ended
#: the process: storage.model.results.UNPARSABLE.
PARSER_TIMEOUT, PARSER_MEMORY, PARSER_CRASHED = "parser-timeout", "parser-memory", "parser-crashed"

_DEFECTS = {
    TIMEOUT: PARSER_TIMEOUT,
    OUT_OF_MEMORY: PARSER_MEMORY,
    CRASHED: PARSER_CRASHED,
    FAILED: PARSER_FAILED,
}
_MOST_HEADER_BYTES = 256 << 10
_HEADER_END = re.compile(rb"\r?\n\r?\n|\r\r")
Analyse = Callable[[Sequence[ParsedMessage]], pa.Table]

#: The module that the child runs.
CHILD = "jobs.isolation.parsing_child"


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
        self._child = StepProcess(CHILD, [str(limits.memory_bytes)], analyse)

    def read(self, raw: bytes) -> Read:
        """Parse, index and analyse a message.

        Raises:
            IsolationFailed: the message is not at fault.
        """
        cpu_s = self._limits.cpu_s(len(raw))
        try:
            message = self._parsed(raw, cpu_s)
        except _Stopped as stopped:
            return Read(self._of_headers(raw, stopped.code), None)
        try:
            self._ask("index", None, cpu_s)
        except _Stopped as stopped:
            return Read(self._of_headers(raw, stopped.code), None)
        return self._analysed(message, cpu_s)

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def _parsed(self, raw: bytes, cpu_s: float) -> ParsedMessage:
        was_running = self._child.running
        try:
            answer = self._ask("parse", raw, cpu_s)
        except _Stopped as stopped:
            # Memory that earlier messages left behind is not this one's fault: once more, in a child of its own.
            if stopped.code == PARSER_TIMEOUT or not was_running:
                raise
            answer = self._ask("parse", raw, cpu_s)
        return self._message(answer)

    def _analysed(self, message: ParsedMessage, cpu_s: float) -> Read:
        if self._analyse is None:
            return Read(message, None)
        try:
            return Read(message, pa.ipc.open_stream(self._ask("analyse", None, cpu_s)).read_all())
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
            message = self._message(self._ask("parse", head, self._limits.cpu_s(len(head))))
            self._ask("index", None, self._limits.message_s)
        except _Stopped:
            message = parse(b"")
        _LOG.warning("A message of %d bytes is stored without its content: %s", len(raw), code)
        return message._replace(defects=[code])

    def _message(self, answer: bytes) -> ParsedMessage:
        try:
            message: ParsedMessage = result(answer, ParsedMessage)
        except pickle.UnpicklingError as exc:
            self._child.close()  # no later message is read by what answered so
            raise _Stopped(PARSER_CRASHED) from exc
        return message

    def _ask(self, step: str, argument: object, cpu_s: float) -> bytes:
        """A step's result.

        Raises:
            _Stopped.
        """
        try:
            return self._child.ask(step, argument, cpu_s)
        except Stopped as stopped:
            if stopped.code == FAILED:
                _LOG.error("The step %s failed on a message: %s", step, stopped.reason)
            raise _Stopped(_DEFECTS[stopped.code]) from stopped
