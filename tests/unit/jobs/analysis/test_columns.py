"""Answers into columns."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from jobs.analysis import columns
from jobs.analysis.analyser import AnalysisFailed
from jobs.analysis.mail import Mail
from tests.unit.jobs.analysis.letters import letter

MAILS = [letter(Subject=name) for name in ("one", "two", "three")]


class Lengths:
    """How long the subject is, unless `strange` says otherwise."""

    version = 3
    fields = (("length", pa.int32()), ("shown", pa.string()))

    def __init__(self, name: str = "lengths", strange: Callable[[Mail], object] | None = None) -> None:
        self.name = name
        self._strange = strange

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        if self._strange is not None and mail.message.subject == "two":
            return self._strange(mail)  # type: ignore[return-value]
        return len(mail.message.subject), mail.message.subject


def raising(error: Exception) -> Callable[[Mail], object]:
    def run(mail: Mail) -> object:
        raise error

    return run


def test_each_analyser_makes_one_column() -> None:
    table = columns.analyse(MAILS, [Lengths("first"), Lengths("second")])

    assert table.schema.names == ["first", "second"]
    kind = table.schema.field("first").type
    assert str(kind) == "struct<version: int16 not null, error: string, length: int32, shown: string>"
    assert table["first"].to_pylist() == [
        {"version": 3, "error": None, "length": len(name), "shown": name} for name in ("one", "two", "three")
    ]


def test_nothing_to_say_is_null() -> None:
    table = columns.analyse(MAILS, [Lengths(strange=lambda mail: None)])

    assert table["lengths"][1].as_py() == {"version": 3, "error": None, "length": None, "shown": None}


def test_without_messages_the_types_stand() -> None:
    assert columns.analyse([], [Lengths()]).schema == columns.analyse(MAILS, [Lengths()]).schema


@pytest.mark.parametrize(
    ("strange", "code"),
    [
        (raising(ValueError("no")), "raised"),
        (raising(RecursionError()), "raised"),
        (raising(MemoryError()), "out-of-memory"),
        (raising(AnalysisFailed("timed-out")), "timed-out"),
        (lambda mail: (1,), "bad-answer"),
        (lambda mail: [1, "two"], "bad-answer"),
        (lambda mail: 7, "bad-answer"),
        (lambda mail: ("two", 2), "bad-answer"),
        (lambda mail: (1 << 40, "two"), "bad-answer"),
        (lambda mail: (1, "\ud800"), "bad-answer"),
        (lambda mail: (1, object()), "bad-answer"),
    ],
)
def test_one_bad_answer_costs_its_own_column_of_its_own_message(strange: Callable[[Mail], object], code: str) -> None:
    table = columns.analyse(MAILS, [Lengths("bad", strange), Lengths("good")])

    assert [row["error"] for row in table["bad"].to_pylist()] == [None, code, None]
    assert [row["length"] for row in table["bad"].to_pylist()] == [3, None, 5]
    assert [row["length"] for row in table["good"].to_pylist()] == [3, 3, 5]
