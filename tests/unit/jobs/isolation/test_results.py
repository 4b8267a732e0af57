"""jobs/isolation/results.py"""

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.isolation.results import result
from jobs.mime import reading
from jobs.mime.message import AttachmentContent, ParsedMessage
from jobs.mime.parser import parse
from storage.model.results import Body

RAW = (
    b"Subject: Lunch\r\nDate: Mon, 30 Nov 2026 08:00:00 +0100\r\nFrom: ada@example.com\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nAt noon?\r\n"
    b"--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nmenu\r\n--b--\r\n"
)


class _Runs:
    """Unpickled as usual, it calls a function of the process that reads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a child ran a function of its parent",)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (parse(RAW), ParsedMessage),
        (reading.body(RAW), Body),
        (AttachmentContent("a.txt", "text/plain", b"menu"), AttachmentContent),
    ],
    ids=["message", "body", "attachment"],
)
def test_results_arrive_as_they_were(value: object, kind: type) -> None:
    assert result(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), kind) == value


@pytest.mark.parametrize(
    "answer",
    [
        pickle.dumps(_Runs()),
        pickle.dumps(datetime.now(UTC)),
        pickle.dumps(parse(b""))[:-20],
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"\x80\x05no pickle",
        b"",
    ],
    ids=["a function", "another type", "cut", "eval", "noise", "empty"],
)
def test_what_is_no_result_is_refused_and_runs_nothing(answer: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        result(answer, ParsedMessage)
