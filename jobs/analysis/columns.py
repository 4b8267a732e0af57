"""Runs analysers over messages and makes Arrow columns of their answers.

One column for each analyser, named as it is: struct<version, error, its fields>. An analyser that raises, or answers
what its fields cannot hold, costs its own column of that message alone; its `error` says so. Built-in analysers cannot
hang: what they read is bounded, and their patterns have no nested repetition.
"""

import logging
from collections.abc import Callable, Sequence

import pyarrow as pa

from jobs.analysis.analyser import Analyser, Field
from jobs.analysis.mail import Mail

_LOG = logging.getLogger(__name__)
RAISED, BAD_ANSWER = "raised", "bad-answer"
Answers = Sequence[tuple[object, ...] | None]
Errors = Sequence[str | None]


def type_of(fields: Sequence[Field]) -> pa.StructType:
    """The type of an analyser's column."""
    own = [pa.field("version", pa.int16(), nullable=False), pa.field("error", pa.string())]
    return pa.struct([*own, *(pa.field(name, kind) for name, kind in fields)])


def analyse(mails: Sequence[Mail], analysers: Sequence[Analyser]) -> pa.Table:
    """A row for each message, a column for each analyser."""
    return pa.table({analyser.name: column(mails, analyser) for analyser in analysers})


def column(mails: Sequence[Mail], analyser: Analyser) -> pa.StructArray:
    """What one analyser answers of all messages."""
    ask = analyser.analyse
    answers: list[tuple[object, ...] | None] = []
    errors: list[str | None] = []
    for mail in mails:
        answer, error = _answer(ask, mail, analyser.name)
        answers.append(answer)
        errors.append(error)
    return struct(analyser.version, analyser.fields, answers, errors)


def _answer(
    ask: Callable[[Mail], tuple[object, ...] | None], mail: Mail, name: str
) -> tuple[tuple[object, ...] | None, str | None]:
    try:
        return ask(mail), None
    except Exception:  # noqa: BLE001 - whatever it is, it costs this analyser's answer for this message
        _LOG.exception("The analyser %s failed on a message", name)
        return None, RAISED


def struct(version: int, fields: Sequence[Field], answers: Answers, errors: Errors) -> pa.StructArray:
    """The column of these answers, with what cannot be held replaced by an error."""
    try:
        return _struct(version, fields, answers, errors)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError, IndexError):
        checked = [_held(fields, answer) for answer in answers]
        told = [error or (None if good else BAD_ANSWER) for error, (_, good) in zip(errors, checked, strict=True)]
        return _struct(version, fields, [answer for answer, _ in checked], told)


def _held(fields: Sequence[Field], answer: tuple[object, ...] | None) -> tuple[tuple[object, ...] | None, bool]:
    try:
        _struct(1, fields, [answer], [None])
    except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError, IndexError):
        return None, False
    return answer, True


def _struct(version: int, fields: Sequence[Field], answers: Answers, errors: Errors) -> pa.StructArray:
    nothing = (None,) * len(fields)
    rows = [nothing if answer is None else answer for answer in answers]
    if any(len(row) != len(fields) for row in rows):
        raise ValueError("an answer has too few or too many values")
    values = zip(*rows, strict=True) if rows else ((),) * len(fields)
    arrays = [pa.array(list(column), kind) for column, (_, kind) in zip(values, fields, strict=True)]
    own = [pa.array([version] * len(rows), pa.int16()), pa.array(errors, pa.string())]
    return pa.StructArray.from_arrays([*own, *arrays], fields=list(type_of(fields)))
