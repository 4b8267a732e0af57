"""Fragments show what was found, in its place, as plain text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.query.conditions import ANYWHERE, Contains
from storage.query.highlighting import Highlight, fragments, spans
from storage.query.words import words
from tests.unit.storage.query.trees import ALPHABET


def found(text: str, *phrases: str) -> list[Highlight]:
    return fragments("text", text, [Contains(ANYWHERE, tuple(words(phrase))) for phrase in phrases])


def marked(text: str, *phrases: str) -> list[str]:
    return [each.fragment.text[start:end] for each in found(text, *phrases) for start, end in each.fragment.hits]


@given(st.text(ALPHABET))
def test_the_spans_are_those_of_the_words(text: str) -> None:
    placed = list(spans(text))

    assert [word for word, _, _ in placed] == words(text)
    assert all(0 <= start < end <= len(text) for _, start, end in placed)
    assert all(word in words(text[start:end]) for word, start, end in placed)


@pytest.mark.parametrize(
    ("text", "phrase", "hits"),
    [
        ("The quick brown fox", "quick BROWN", ["quick brown"]),
        ("Die Straße, die STRASSE", "strasse", ["Straße", "STRASSE"]),
        ("明日の会議は十時です", "会議", ["会議"]),
        ("明日の会議は十時です", "明日の会議", ["明日の会議"]),
        ("한국어 메일", "한국", ["한국"]),
        ("write to ann.lee@example.com!", "ann.lee@example.com", ["ann.lee@example.com"]),
        ("<b>fox</b> & <script>", "fox", ["fox"]),
        ("no such thing", "fox", []),
        ("fox fox", "fox", ["fox", "fox"]),
    ],
)
def test_highlights_contain_the_original_text(text: str, phrase: str, hits: list[str]) -> None:
    assert marked(text, phrase) == hits


def test_fragments_are_short_few_and_where_they_say() -> None:
    text = ("word " * 100 + "fox\n") * 5
    shown = found(text, "fox")

    assert len(shown) == 3
    for each in shown:
        assert len(each.fragment.text) <= 200
        offset = each.fragment.offset
        assert each.fragment.text == text[offset : offset + len(each.fragment.text)].replace("\n", " ")
        assert each.fragment.text.startswith("word")


def test_a_field_that_was_not_asked_shows_nothing() -> None:
    assert fragments("subject", "fox", [Contains(("from",), ("fox",))]) == []


def test_the_examined_and_the_returned_text_are_bounded() -> None:
    assert marked("a" * 10_000, "a" * 64) == ["a" * 200]
    assert marked("x " * 300_000 + "fox", "fox") == []
