"""Reads the texts of messages for a search in a child process, so that no message hangs the command that searches.

The child has no files and no network (storage/sql_sandbox/wall.py). It starts with the first text that must be read: a
search that the word index decides starts none. Measured 2026-11 on two busy cores: it starts in 0.4 s.
"""

import logging
import pickle
import threading
from collections.abc import Sequence
from typing import Any, TypeVar

from jobs.isolation.config import ReadLimits
from jobs.isolation.results import result
from jobs.isolation.steps import CRASHED, StepProcess, Stopped
from storage.mailbox.texts import SearchStopped, Written
from storage.query.conditions import Condition, Contains
from storage.query.evaluate import Content
from storage.query.highlighting import LOOKED_AT, Highlight

_LOG = logging.getLogger(__name__)
#: The module that the child runs.
CHILD = "jobs.isolation.searching_child"
#: Messages of one search that may exceed a limit, at most: each takes the time that a message may take.
_MOST_STOPPED = 3
_T = TypeVar("_T")


class IsolatedTexts:
    """Owns the child process; `storage.mailbox.texts.Texts`. Thread-safe: one request at a time.

    A message that exceeds a limit is read as one without words. Every method raises SearchStopped when several do, and
    IsolationFailed when the child does not work.
    """

    def __init__(self, limits: ReadLimits) -> None:
        """Starts nothing."""
        self._limits, self._lock = limits, threading.Lock()
        self._child = StepProcess(CHILD, [str(limits.memory_bytes)], longest_s=60.0)

    def truths(self, conditions: Sequence[Condition], contents: Sequence[Content]) -> list[list[bool]]:
        """Whether each condition is true for each message."""
        empty = [False] * len(conditions)
        return self._read("truths", tuple(conditions), [(content, _size(content)) for content in contents], empty)

    def fragments(self, written: Sequence[Written], wanted: Sequence[Contains]) -> list[list[Highlight]]:
        """The fragments around the words."""
        cut = [(subject[:LOOKED_AT], text[:LOOKED_AT]) for subject, text in written]
        none: list[Highlight] = []
        return self._read("fragments", tuple(wanted), [(one, len(one[0]) + len(one[1])) for one in cut], none)

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._child.close()

    def _read(self, step: str, question: object, items: Sequence[tuple[Any, int]], nothing: _T) -> list[_T]:
        """An answer for each item (and its size); `nothing` for an item that exceeds a limit."""
        if not items:
            return []
        with self._lock:
            try:
                return self._ask(step, question, items)
            except Stopped as stopped:
                if len(items) == 1:
                    return [_left_out(stopped, nothing)]
            return self._one_by_one(step, question, items, nothing)

    def _one_by_one(self, step: str, question: object, items: Sequence[tuple[Any, int]], nothing: _T) -> list[_T]:
        answers: list[_T] = []
        stops = 0
        for item in items:
            try:
                answers += self._ask(step, question, [item])
            except Stopped as stopped:
                stops += 1
                if stops == _MOST_STOPPED:
                    raise SearchStopped(stopped.code, stops) from stopped
                answers.append(_left_out(stopped, nothing))
        return answers

    def _ask(self, step: str, question: object, items: Sequence[tuple[Any, int]]) -> list[Any]:
        cpu_s = self._limits.cpu_s(sum(size for _, size in items))
        answer = self._child.ask(step, (question, [item for item, _ in items]), cpu_s)
        try:
            answers: list[Any] = result(answer, list)
        except pickle.UnpicklingError as exc:
            self._child.close()  # no later text is read by what answered so
            raise Stopped(CRASHED) from exc
        if len(answers) != len(items):
            raise Stopped(CRASHED)
        return answers


def _size(content: Content) -> int:
    return sum(len(value) for values in content.fields.values() for value in values)


def _left_out(stopped: Stopped, nothing: _T) -> _T:
    _LOG.warning("A search takes a message for one without words: reading them was stopped (%s)", stopped)
    return nothing
