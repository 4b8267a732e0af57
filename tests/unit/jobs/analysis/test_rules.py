"""What holds of every built-in analyser, whatever the message."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis import columns
from jobs.analysis.analyser import Analyser
from jobs.analysis.mail import Mail
from jobs.analysis.registry import BUILT_IN
from jobs.mime.parser import parse
from tests.unit.jobs.analysis.letters import letter
from tests.unit.jobs.mime.strategies import MAIL, damaged

PIECES = ["a@paypa1.com", "Total: $1,000.00", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "(", "\n", "<"]
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=12).map("".join)
HEADERS = st.sampled_from(
    [
        *["From", "Reply-To", "Subject", "Auto-Submitted", "Precedence", "List-Id", "List-Unsubscribe", "List-Post"],
        *["List-Unsubscribe-Post", "Authentication-Results", "Received-SPF", "Return-Path", "Content-Type"],
    ]
)


def errors(mail: Mail) -> list[str | None]:
    table = columns.analyse([mail], BUILT_IN)
    table.validate(full=True)
    return [table[name][0].as_py()["error"] for name in table.schema.names]


@given(damaged(MAIL))
def test_any_message_is_answered(raw: bytes) -> None:
    assert errors(Mail(parse(raw))) == [None] * len(BUILT_IN)


@given(st.lists(st.tuples(HEADERS, TEXT), max_size=6), TEXT)
def test_any_text_is_answered(headers: list[tuple[str, str]], text: str) -> None:
    head = "".join(f"{name}: {value}\n" for name, value in headers)

    assert errors(Mail(parse(f"{head}\n{text}".encode("utf-8", "replace")))) == [None] * len(BUILT_IN)


@pytest.mark.parametrize("analyser", BUILT_IN, ids=lambda analyser: str(analyser.name))
@pytest.mark.parametrize(
    "piece",
    ["1", "1 ", "1.", "(", "<", "@", "a@a.", "no-", "AA11 ", "paid $1 total ", "a.", "-", "; spf=", "2026-", "=?"],
)
def test_no_message_takes_long(analyser: Analyser, piece: str) -> None:
    value = (piece * 40_000)[:60_000].replace("\n", "")
    mail = letter(
        "order\n" + piece * 100_000,
        Subject=value, Authentication_Results=value, List_Unsubscribe=value, List_Id=value, Reply_To=value, From=value,
    )  # fmt: skip
    assert mail.words

    began = time.process_time()
    analyser.analyse(mail)

    assert time.process_time() - began < 0.5
