"""One column for each analyser; what goes wrong with one costs its own answer for one message alone."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.analysis import columns, registry
from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail
from jobs.mime.parser import parse
from tests.unit.jobs.analysis.mails import mail


class Odd:
    """Answers the length of the text, but fails on some texts."""

    name, version = "odd", 3
    fields: tuple[Field, ...] = (("length", pa.int16()), ("word", pa.string()))

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        text = mail.message.text
        if text == "raise":
            raise RuntimeError("odd")
        answers: dict[str, tuple[object, ...] | None] = {
            "short": (1,),
            "wrong": ("x", "y"),
            "large": (1 << 20, "y"),
            "none": None,
        }
        return answers[text] if text in answers else (len(text), text)


def test_what_fails_costs_its_own_answer() -> None:
    texts = ["fine", "raise", "short", "wrong", "large", "none", "good"]
    table = columns.analyse([mail(text) for text in texts], [Odd(), *registry.builtin()])

    assert table.column_names == ["odd", *(each.name for each in registry.builtin())]
    rows = table["odd"].to_pylist()
    errors = [None, "raised", "bad-answer", "bad-answer", "bad-answer", None, None]
    assert [row["error"] for row in rows] == errors
    assert [row["length"] for row in rows] == [4, None, None, None, None, None, 4]
    assert {row["version"] for row in rows} == {3}
    for name in table.column_names[1:]:
        assert {row["error"] for row in table[name].to_pylist()} == {None}, name


def test_no_message_gives_empty_columns() -> None:
    table = columns.analyse([], registry.builtin())
    assert table.num_rows == 0
    assert table.schema.field("language").type == columns.type_of((("code", pa.string()), ("confidence", pa.float32())))


_NAMES = st.sampled_from(
    [
        *("Subject", "From", "To", "Reply-To", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Return-Path"),
        *("Authentication-Results", "Received-SPF", "Auto-Submitted", "Precedence", "Importance", "Content-Type"),
    ]
)
_PIECES = st.lists(
    st.text(max_size=40)
    | st.sampled_from(
        [
            *("total $ 12.50", "a@b.example", "<mailto:x@y>", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"),
            *("2026-02-31", "spf=pass", "((((((", "=?utf-8?q?x?=", "\x00", "On x wrote:", "-- ", "> ", "€" * 50),
        ]
    ),
    max_size=30,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_NAMES, _PIECES), max_size=8), _PIECES, st.integers(1, 400))
def test_no_message_makes_an_analyser_fail(headers: list[tuple[str, str]], text: str, times: int) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    raw = f"{head}\r\n{(text + chr(10)) * times}".encode("utf-8", "surrogatepass")
    table = columns.analyse([Mail(parse(raw))], registry.builtin())
    assert {name: table[name][0].as_py()["error"] for name in table.column_names} == dict.fromkeys(table.column_names)
    again = columns.analyse([Mail(parse(raw))], registry.builtin())
    assert again.equals(table)


@pytest.mark.parametrize("name", [each.name for each in registry.builtin()])
def test_a_name_is_a_column_s(name: str) -> None:
    assert registry._NAME.fullmatch(name)
    assert registry.names().count(name) == 1


#: A field keeps its type for ever. To change one, give the new meaning a new name.
SCHEMA = {
    "language": "code: string, confidence: float",
    "category": "name: string, spam_score: float, reasons: list<item: string>",
    "automatic": "automatic: bool, bulk: bool, reasons: list<item: string>",
    "mailing_list": (
        "list_id: string, list_name: string, unsubscribe_url: string, unsubscribe_address: string, one_click: bool"
    ),
    "priority": "level: string, reasons: list<item: string>",
    "sentiment": "supported: bool, score: float, label: string",
    "keywords": "words: list<item: string>",
    "summary": "text: string",
    "personal_data": "found: list<item: struct<kind: string, count: int32>>",
    "receipt": "total: decimal128(18, 2), currency: string, amounts: int32, dates: list<item: date32[day]>",
    "attachment_kinds": "kinds: list<item: string>, disguised: list<item: string>, runs: bool",
    "authenticity": (
        "spf: string, dkim: string, dmarc: string, server: string, from_domain: string, reply_to_differs: bool, "
        "name_differs: bool, lookalike_of: string"
    ),
}


def test_fields_keep_their_types() -> None:
    told = {each.name: ", ".join(f"{name}: {kind}" for name, kind in each.fields) for each in registry.builtin()}
    assert told == SCHEMA
