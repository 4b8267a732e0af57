"""People paste a subject into the search box, and find its message."""

import unicodedata
from dataclasses import replace

import pytest

from storage.query.words import MARKS, compose, exact_words, words
from tests.unit.storage.query.test_evaluate import MESSAGE, found

_PASTED = replace(MESSAGE, content=replace(MESSAGE.content, fields={"subject": ("Tom & Jerry – Invoice #42 (March)",)}))


@pytest.mark.parametrize(
    "query",
    [
        "Tom & Jerry – Invoice #42 (March)",
        "Tom & Jerry",
        "Invoice - March",
        "Re: Invoice",
        "Fwd: RE: Tom & Jerry – Invoice",
        "subject:tom & jerry",
        "Tom | Jerry / Invoice",
        "… Invoice …",
        "Tom -- Invoice",
        "--- Invoice ---",
        "Re:Invoice",
        "Jerry :-) Invoice ;)",
        "(: Invoice (March)",
        '"Tom & Jerry – Invoice #42 (March)"',
    ],
)
def test_a_pasted_subject_is_found(query: str) -> None:
    assert found(query, _PASTED)


def test_a_minus_before_a_word_still_excludes_it() -> None:
    assert found("Tom - Jerry", _PASTED)
    assert not found("Tom -Jerry", _PASTED)
    assert not found("Tom -( Jerry )", _PASTED)
    assert found("Tom --Jerry", _PASTED)


def test_a_run_of_marks_is_cut_before_it_is_put_in_order() -> None:
    marks = "\u05b0\u0591" * 20_000
    text = "a" + marks + "b"

    assert words(text)[0][0] == "a"
    assert exact_words(text)[0][0] == "a"
    assert sum(map(bool, map(unicodedata.combining, compose(text)))) == MARKS


def test_joiners_do_not_hide_a_run_of_marks() -> None:
    assert sum(map(bool, map(unicodedata.combining, "".join(words("a" + "\u05b0\u200d\u0591\u034f" * 5_000))))) <= MARKS


def test_lines_drawn_of_characters_and_short_runs_stay() -> None:
    line = "─" * 100 + "e\u0301" + "\u05b0" * (MARKS - 1)

    assert compose(line) == unicodedata.normalize("NFC", line)
