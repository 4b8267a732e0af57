"""Gmail's search language, read into terms, or refused at a position."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.search import OPERATORS, InvalidQuery, Term, parse


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  \t ", []),
        ("invoice", [Term("words", "invoice", False)]),
        ('-"annual  report"', [Term("words", "annual  report", True)]),
        ("FROM:ann -to:bob", [Term("from", "ann", False), Term("to", "bob", True)]),
        ('subject:"a (b) OR"', [Term("subject", "a (b) OR", False)]),
        ('one"two"', [Term("words", "one", False), Term("words", "two", False)]),
        ("larger:2K smaller:10MB", [Term("larger", 2048, False), Term("smaller", 10 << 20, False)]),
        ("after:2024/2/29", [Term("after", datetime(2024, 2, 29, tzinfo=UTC), False)]),
        ("-before:2024-12-01", [Term("before", datetime(2024, 12, 1, tzinfo=UTC), True)]),
        ("is:UNREAD has:attachment", [Term("is", "unread", False), Term("has", "attachment", False)]),
        ("メール 日本", [Term("words", "メール", False), Term("words", "日本", False)]),
        ("a.b@c-d.e", [Term("words", "a.b@c-d.e", False)]),
    ],
)
def test_a_search_is_read_into_its_terms(text: str, terms: list[Term]) -> None:
    assert parse(text) == terms


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ('a "never closed', 2),
        ("a OR b", 2),
        ("(a b)", 0),
        ("subject:(a b)", 0),
        ("a {b c}", 2),
        ("a b)", 2),
        ("+exact", 0),
        ("nosuch:thing", 0),
        ("a -nosuch:thing", 3),
        ("from: ann", 0),
        ("a -subject:", 3),
        ('from:""', 0),
        ('a " "', 2),
        ("is:pink", 0),
        ("has:drive", 0),
        ("larger:1T", 0),
        ("larger:-5", 0),
        ("after:2023/02/29", 0),
        ("before:yesterday", 0),
        ("a\x00b", 1),
        ("ab \udcff", 3),
    ],
)
def test_what_is_not_understood_is_refused_at_its_position(text: str, position: int) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse(text)

    assert refused.value.position == position
    assert f"character {position}:" in str(refused.value)


def test_a_search_is_bounded() -> None:
    assert len(parse("a " * 50)) == 50
    for text in ("a " * 51, "a" * 2001):
        with pytest.raises(InvalidQuery):
            parse(text)


@given(st.text(max_size=300) | st.text('()[]{}"-:+\\*.^$ \x00aORis/0', max_size=300))
def test_any_text_is_terms_or_refused_inside_it(text: str) -> None:
    try:
        terms = parse(text)
    except InvalidQuery as refused:
        assert 0 <= refused.position <= len(text)
    else:
        assert len(terms) <= 50
        assert all(term.field == "words" or term.field in OPERATORS for term in terms)


@pytest.mark.parametrize("text", ["-" * 2000, '"' * 1999, "a:" * 1000, " " * 2000, '-"' * 999, "_" * 2000])
def test_a_hostile_search_ends_soon(text: str) -> None:
    try:
        assert len(parse(text)) <= 50
    except InvalidQuery as refused:
        assert 0 <= refused.position <= 2000
