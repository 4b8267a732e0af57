"""Runs analysers over messages and makes one Arrow column of each analyser's results.

A failing analyser affects only its own column, per message: a failure is stored as a code in the row's `error`.
Built-in analysers cannot hang: their input is bounded and their patterns are linear. Plug-ins can, and run in a process
of their own (`plugins.py`), whose limits are reported as codes.

Measured (2026-11, Python 3.11, CPU time on one of two busy cores, batches of 200, the best of three passes), in
microseconds a message of the SpamAssassin corpus (6,294) and of an Enron mailbox (4,139): body 13 and 10, words 34 and
16, index of headers 5 and 4; automatic 5 and 5, mailinglist 4 and 2, attachmentkinds 1 and 1, authenticity 5 and 3,
personaldata 29 and 30, receipts 28 and 26; all of them with their columns 135 and 103. A plug-in costs 220 in addition
to its own work: the message is pickled to its process and the result is returned as Arrow.

The codes: raised, timed-out, out-of-memory, crashed, bad-answer (wrong number of values, or a value that Arrow
rejects), and skipped (a plug-in that failed too often in a row).
"""

import logging
from collections.abc import Sequence

import pyarrow as pa

from jobs.analysis.analyser import Analyser, AnalysisFailed, column_type
from jobs.analysis.mail import Mail
from jobs.analysis.registry import BUILT_IN

_LOG = logging.getLogger(__name__)

_Answer = tuple[object, ...] | None


def analyse(mails: Sequence[Mail], analysers: Sequence[Analyser] | None = None) -> pa.Table:
    """One column per analyser, named after it, and one row per message, in order.

    Args:
        analysers: None: the built-in ones.

    Returns:
        Columns of `struct<version: int16 not null, error: string, *fields>`; fields are null where `error` is not.
    """
    chosen = BUILT_IN if analysers is None else analysers
    if not chosen:  # a table without columns would have no rows
        return pa.table({})
    plugins = [analyser for analyser in chosen if hasattr(analyser, "patience")]
    built_in = [analyser for analyser in chosen if not hasattr(analyser, "patience")]
    results = {analyser.name: _answers(mails, analyser) for analyser in plugins}
    # Message by message: its text and the values that analysers share stay in the processor's caches.
    rows = [[_answer(mail, analyser, len(analyser.fields)) for analyser in built_in] for mail in mails]
    for index, analyser in enumerate(built_in):
        errors = [row[index][1] for row in rows]
        _report(analyser, errors)
        results[analyser.name] = [row[index][0] for row in rows], errors
    return pa.table({analyser.name: _column(*results[analyser.name], analyser) for analyser in chosen})


def column(mails: Sequence[Mail], analyser: Analyser) -> pa.StructArray:
    """The results of one analyser."""
    return _column(*_answers(mails, analyser), analyser)


def _column(answers: list[_Answer], errors: list[str | None], analyser: Analyser) -> pa.StructArray:
    kind = column_type(analyser)
    arrays = _arrays(answers, errors, analyser)
    version = pa.repeat(pa.scalar(analyser.version, pa.int16()), len(answers))
    fields = [kind.field(index) for index in range(kind.num_fields)]
    return pa.StructArray.from_arrays([version, pa.array(errors, pa.string()), *arrays], fields=fields)


def _answers(mails: Sequence[Mail], analyser: Analyser) -> tuple[list[_Answer], list[str | None]]:
    answers: list[_Answer] = []
    errors: list[str | None] = []
    patience = getattr(analyser, "patience", 0)  # of a plug-in: failures in a row after which it is skipped
    count = len(analyser.fields)
    failures = 0
    for mail in mails:
        answer: _Answer = None
        if patience and failures >= patience:
            error: str | None = "skipped"
        else:
            answer, error = _answer(mail, analyser, count)
            failures = failures + 1 if error else 0
        answers.append(answer)
        errors.append(error)
    _report(analyser, errors)
    return answers, errors


def _report(analyser: Analyser, errors: Sequence[str | None]) -> None:
    if failed := len(errors) - errors.count(None):
        _LOG.warning("Analyser %s failed for %d of %d messages", analyser.name, failed, len(errors))


def _answer(mail: Mail, analyser: Analyser, count: int) -> tuple[_Answer, str | None]:
    try:
        answer = analyser.analyse(mail)
    except AnalysisFailed as failed:
        return None, failed.code
    except MemoryError:
        return None, "out-of-memory"
    except Exception:  # noqa: BLE001 - any error affects this row of this column only
        _LOG.debug("Analyser %s raised", analyser.name, exc_info=True)
        return None, "raised"
    if answer is not None and (not isinstance(answer, tuple) or len(answer) != count):
        return None, "bad-answer"
    return answer, None


def _arrays(answers: list[_Answer], errors: list[str | None], analyser: Analyser) -> list[pa.Array]:
    """The columns of the fields. A row with a value that Arrow rejects is emptied, and gets a code in `errors`."""
    try:
        return _of_fields(answers, analyser)
    except Exception:  # noqa: BLE001 - Arrow raises its own errors, TypeError, OverflowError, UnicodeError and others
        _LOG.debug("Analyser %s returned a value that Arrow rejects", analyser.name, exc_info=True)
    for row, answer in enumerate(answers):
        try:
            _of_fields([answer], analyser)
        except Exception:  # noqa: BLE001 - as above
            answers[row], errors[row] = None, "bad-answer"
    return _of_fields(answers, analyser)


def _of_fields(answers: Sequence[_Answer], analyser: Analyser) -> list[pa.Array]:
    nothing = (None,) * len(analyser.fields)
    rows = [nothing if answer is None else answer for answer in answers]
    values = zip(*rows, strict=True) if rows else ((),) * len(nothing)
    arrays = [pa.array(column, kind) for column, (_, kind) in zip(values, analyser.fields, strict=True)]
    for array in arrays:
        array.validate()
    return arrays
