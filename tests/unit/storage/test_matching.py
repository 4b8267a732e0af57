"""Searches as conditions on labels, dates and content; the patterns run in DuckDB's own RE2."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import cast

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import matching
from storage.matching import EARLIEST, LATEST, Plan
from storage.search import Term, parse

LABELS = {"receipts": "Label_1", "my projects": "Label_2", "inbox": "INBOX"}


def plan(text: str, include_hidden: bool = False) -> Plan:
    return matching.plan(parse(text), LABELS, include_hidden)


@cache
def database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def found(word: str, texts: Sequence[str]) -> list[bool]:
    """Whether a word or phrase is found in each text, by the pattern that a search for it binds."""
    made = matching.plan([Term("subject", word, False)], {}, False)
    (pattern,) = made.values.values()
    assert isinstance(pattern, str)
    question = "SELECT regexp_matches(subject, $pattern) FROM (SELECT unnest($texts) AS subject)"
    rows = database().execute(question, {"pattern": pattern, "texts": list(texts)}).fetchall()
    return cast("list[bool]", [row[0] for row in rows])


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("", (), ("SPAM", "TRASH")),
        ("label:Receipts", ("Label_1",), ("SPAM", "TRASH")),
        ("label:my-projects -label:inbox", ("Label_2",), ("INBOX", "SPAM", "TRASH")),
        ("label:Label_9", ("Label_9",), ("SPAM", "TRASH")),
        ("in:sent", ("SENT",), ("SPAM", "TRASH")),
        ("in:trash", ("TRASH",), ("SPAM",)),
        ("is:unread is:starred", ("UNREAD", "STARRED"), ("SPAM", "TRASH")),
        ("is:read", (), ("UNREAD", "SPAM", "TRASH")),
        ("-is:read", ("UNREAD",), ("SPAM", "TRASH")),
        ("in:anywhere", (), ()),
        ("in:Anywhere", (), ()),
        ("-in:anywhere", (), ("SPAM", "TRASH")),
    ],
)
def test_labels_are_asked_of_the_index(text: str, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> None:
    made = plan(text)

    assert (made.with_labels, made.without_labels, made.content) == (wanted, unwanted, "")


def test_spam_and_trash_are_there_when_asked_for() -> None:
    assert plan("", include_hidden=True).without_labels == ()


def test_days_bound_the_search_and_negation_turns_them_around() -> None:
    first, last = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC)

    assert (plan("").after_at, plan("").before_at) == (EARLIEST, LATEST)
    for text in ("after:2024/1/2 before:2024/3/4 after:2023/1/1", "-before:2024/1/2 -after:2024/3/4"):
        assert (plan(text).after_at, plan(text).before_at) == (first, last)


def test_values_are_bound_and_never_part_of_the_condition() -> None:
    hostile = "x') OR 1=1 --"
    made = matching.plan([Term("from", hostile, True), Term("larger", 5, False)], {}, False)

    assert made.content == """NOT (regexp_matches("from", $value0)) AND (size_bytes > $value1)"""
    assert set(made.values) == {"value0", "value1"}


WORD_CHARS = "abzABZ019_éÉßñäйЖ"
SPECIAL = ".*+?()[]{}|^$\\-/'\"<>@#%&,;:!~`= \n"


@settings(max_examples=200)
@given(st.text("abAB19éЖ", min_size=1, max_size=3), st.text("abAB19éЖ_.- \n(*", max_size=20))
def test_a_word_is_found_exactly_where_it_is_a_whole_word(word: str, text: str) -> None:
    whole = word.casefold() in re.findall(r"\w+", text.casefold())

    assert found(word, [text]) == [whole]


@settings(max_examples=200)
@given(st.text(WORD_CHARS + SPECIAL, min_size=1, max_size=12).filter(str.strip))
def test_what_is_searched_for_is_found_in_itself_and_its_characters_are_literal(text: str) -> None:
    other = "".join(chr(0x4E00) if char.isalnum() else char for char in text)

    assert found(text, [text, f"- {text} -", text.upper() if text.isascii() else text]) == [True] * 3
    if any(char.isalnum() for char in text):
        assert found(text, [other, ""]) == [False, False]


@pytest.mark.parametrize(
    "text", [".*", "a|b", "[a-z]", "(?i)", r"\pL", r"\x{61}", "^", "$", "a{1,99}", r"\Q", "(" * 500]
)
def test_no_expression_passes_into_the_pattern(text: str) -> None:
    assert found(text, ["abc a b xyz", f"see {text} here"]) == [False, True]


def test_a_phrase_spans_any_white_space() -> None:
    assert (
        found("Annual  report", ["annual report", "ANNUAL\r\n\treport", "annual\xa0report", "annual\u3000\u2009report"])
        == [True] * 4
    )
    assert (
        found("annual report", ["annualreport", "annual, report", "biannual report", "annual reports"]) == [False] * 4
    )


def test_scripts_without_spaces_are_found_inside_their_neighbours() -> None:
    assert found("会議", ["明日の会議です", "会", "会見"]) == [True, False, False]
    assert found("สวัสดี", ["ครับสวัสดีครับ"]) == [True]


def test_marks_belong_to_their_word() -> None:
    assert found("क", ["कि", "क ख"]) == [False, True]
    assert found("हिन्दी", ["मेरी हिन्दी है", "हिन्दीभाषा"]) == [True, False]


def test_the_longest_search_is_within_what_the_engine_takes() -> None:
    for text in ("!" * 2000, "é" * 2000, "😀" * 2000, "a " * 1000):
        assert found(text, [text, "a"]) == [True, False]
