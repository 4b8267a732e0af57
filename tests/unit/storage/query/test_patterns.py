"""Patterns find every text that has the word; they run in DuckDB's own RE2."""

from collections.abc import Sequence
from functools import cache

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage.query.patterns import pattern
from storage.query.words import words
from tests.unit.storage.query.trees import ALPHABET


@cache
def database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def found(word: str, texts: Sequence[str]) -> list[bool]:
    question = "SELECT regexp_matches(text, $pattern) FROM (SELECT unnest($texts) AS text)"
    rows = database().execute(question, {"pattern": pattern(word), "texts": list(texts)}).fetchall()
    return [bool(row[0]) for row in rows]


@settings(max_examples=300)
@given(st.text(ALPHABET, min_size=1, max_size=20))
@example("a⑴")
@example("가\u11a8")
@example("ｶﾞ")
@example("e\u00ad\u0301")
@example("ﬁx ﬀ ß ㎏")
@example("0\u094d\uff9e")
def test_every_word_of_a_text_is_found_in_it(text: str) -> None:
    for word in set(words(text)):
        assert found(word, [text]) == [True], word


@settings(max_examples=300)
@given(st.text(max_size=20))
def test_every_word_of_any_text_is_found_in_it(text: str) -> None:
    text = text.replace("\0", " ")
    for word in set(words(text)):
        assert found(word, [text]) == [True], word


def test_a_word_is_found_in_every_spelling_and_not_inside_others() -> None:
    assert found("uberstrasse", ["Überstraße", "UBERSTRASSE", "U\u0308ber\u00adstraße", "Ｕberstraße"]) == [True] * 4
    assert found("art", ["party", "start", "art", "(art)", "art_x"]) == [False, False, True, True, True]
    assert found("会議", ["明日の会議です", "会", "会見"]) == [True, False, False]
    assert found("각", ["각", "각", "가"]) == [True, True, False]


def test_the_longest_words_are_within_the_limit_of_the_engine() -> None:
    for char in "esk한กé":
        for word in words(char * 2000)[:1]:
            assert found(word, [char * 2000, "-"]) == [True, False]
