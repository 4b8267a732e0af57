"""What a word is, in many scripts."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.query.words import LONGEST_WORD, exact_words, is_lone, words
from tests.unit.storage.query.trees import ALPHABET


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" .,-!@", []),
        ("The C++ code, rev. 2b", ["the", "c", "code", "rev", "2b"]),
        ("anna.smith@example-mail.com", ["anna", "smith", "example", "mail", "com"]),
        ("snake_case don't don’t", ["snake", "case", "don", "t", "don", "t"]),
        ("Größe der Straße in ÜBERLINGEN", ["grosse", "der", "strasse", "in", "uberlingen"]),
        ("U\u0308berlingen", ["uberlingen"]),
        ("Donau\u00addampf zero\u200bwidth", ["donaudampf", "zerowidth"]),
        ("Łódź, Ærø, Đà Nẵng, İzmir ılık", ["lodz", "aero", "da", "nang", "izmir", "ilik"]),
        ("ﬁne Ｆｕｌｌ ½ x² №5", ["fine", "full", "1", "2", "x2", "no5"]),
        ("Ёлка ЕЛКА йод", ["елка", "елка", "иод"]),
        ("ΟΔΥΣΣΕΎΣ Ὀδυσσεύς", ["οδυσσευσ", "οδυσσευσ"]),
        ("明日の会議です。", ["明日", "日の", "の会", "会議", "議で", "です"]),
        ("会", ["会"]),
        ("東京2026年abc", ["東京", "2026", "年", "abc"]),
        ("北京大学", ["北京", "京大", "大学"]),
        ("が か\u3099 ｶﾞ ガ", ["が", "が", "ガ", "ガ"]),
        ("カタカナ・ひらがな", ["カタ", "タカ", "カナ", "ひら", "らが", "がな"]),
        ("한국어 메일", ["한국", "국어", "메일"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("தமிழ் বাংলা", ["தமிழ்", "বাংলা"]),
        ("สวัสดี", ["สว", "วั", "ัส", "สด", "ดี"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("🎉 party", ["party"]),
        ("\U0001d400bc \U00020000\U00020001", ["abc", "\U00020000\U00020001"]),
    ],
)
def test_a_text_is_cut_into_its_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_decomposed_text_has_the_same_words() -> None:
    for text in ("한국어 각", "Überlingen", "がガぱ", "হিন্দীকো", "أهلا آ", "Đà Nẵng"):
        assert words(unicodedata.normalize("NFD", text)) == words(text)


def test_long_words_are_cut() -> None:
    for text in ("x" * 1000, "é" * 1000, "я" * 1000):
        assert [len(word) for word in words(f"a {text} b")] == [1, LONGEST_WORD, 1]


def test_exact_words_keep_diacritics_but_no_case() -> None:
    assert exact_words("MÜLLER Mu\u0308ller Straße résumé") == ["müller", "müller", "straße", "résumé"]
    assert exact_words("会議で ﬁne") == ["会議", "議で", "fine"]


def test_a_lone_character_is_one_of_a_script_without_spaces() -> None:
    assert [is_lone(word) for word in ("会", "a", "会議", "ก", "я")] == [True, False, False, True, False]


@given(st.text(ALPHABET, max_size=60) | st.text(max_size=60))
def test_words_are_bounded_and_words_of_themselves(text: str) -> None:
    for word in words(text):
        assert 0 < len(word) <= LONGEST_WORD
        assert words(word) == [word]


@given(st.text(ALPHABET, max_size=30), st.text(ALPHABET, max_size=30))
def test_a_separator_separates(first: str, second: str) -> None:
    assert words(f"{first} . {second}") == words(first) + words(second)
    assert words(f"{first}\n{second}") == words(first) + words(second)
