"""Runs analysers over messages and makes one Arrow column of each one's answers.

One bad analyser costs its own column, per message, and never the batch: whatever is wrong with an answer stands as a
code in that row's `error`. A built-in analyser cannot hang: what it reads is bounded and its patterns are linear.
Plug-ins can, and run in a process of their own (`plugins.py`), whose limits come back as codes.

Measured (2026-11, Python 3.11, CPU time on one of two busy cores, batches of 200, the best of three passes), in
microseconds a message of the SpamAssassin corpus (6,294) and of an Enron mailbox (4,139): body 13 and 10, words 34 and
16, index of headers 5 and 4; automatic 5 and 5, mailinglist 4 and 2, attachmentkinds 1 and 1, authenticity 5 and 3,
personaldata 29 and 30, receipts 28 and 26; all of them with their columns 135 and 103. A plug-in costs 220 besides what
it does itself: the message is pickled to its process and the answer comes back as Arrow.

The codes: raised, timed-out, out-of-memory, crashed, bad-answer (wrong count, or a value Arrow does not take), and
skipped (a plug-in that failed too often in a row).
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
    """One column per analyser, named as it, one row per message in order.

    Args:
        analysers: the built-in ones when None.

    Returns:
        `struct<version: int16 not null, error: string, *fields>` each; fields are null where `error` is not.
    """
    chosen = BUILT_IN if analysers is None else analysers
    columns = {analyser.name: column(mails, analyser) for analyser in chosen}
    if not columns:  # a table without columns would have no rows
        return pa.table({})
    return pa.table(columns)


def column(mails: Sequence[Mail], analyser: Analyser) -> pa.StructArray:
    """The answers of one analyser."""
    answers, errors = _answers(mails, analyser)
    kind = column_type(analyser)
    arrays = _arrays(answers, errors, analyser)
    version = pa.repeat(pa.scalar(analyser.version, pa.int16()), len(mails))
    fields = [kind.field(index) for index in range(kind.num_fields)]
    return pa.StructArray.from_arrays([version, pa.array(errors, pa.string()), *arrays], fields=fields)


def _answers(mails: Sequence[Mail], analyser: Analyser) -> tuple[list[_Answer], list[str | None]]:
    answers: list[_Answer] = []
    errors: list[str | None] = []
    patience = getattr(analyser, "patience", 0)  # a plug-in's: failures in a row after which it is left alone
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
    if any(errors):
        failed = [error for error in errors if error]
        _LOG.warning("Analyser %s gave no answer for %d of %d messages", analyser.name, len(failed), len(mails))
    return answers, errors


def _answer(mail: Mail, analyser: Analyser, count: int) -> tuple[_Answer, str | None]:
    try:
        answer = analyser.analyse(mail)
    except AnalysisFailed as failed:
        return None, failed.code
    except MemoryError:
        return None, "out-of-memory"
    except Exception:  # noqa: BLE001 - whatever it is costs this row of this column alone
        _LOG.debug("Analyser %s raised", analyser.name, exc_info=True)
        return None, "raised"
    if answer is not None and (not isinstance(answer, tuple) or len(answer) != count):
        return None, "bad-answer"
    return answer, None


def _arrays(answers: list[_Answer], errors: list[str | None], analyser: Analyser) -> list[pa.Array]:
    """The columns of the fields. A row with a value that Arrow does not take is emptied, and told in `errors`."""
    try:
        return _of_fields(answers, analyser)
    except Exception:  # noqa: BLE001 - Arrow raises its own errors, TypeError, OverflowError, UnicodeError and others
        _LOG.debug("Analyser %s gave what Arrow does not take", analyser.name, exc_info=True)
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
    made = [pa.array(column, kind) for column, (_, kind) in zip(values, analyser.fields, strict=True)]
    for array in made:
        array.validate()
    return made
