"""What the sender wrote."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis import bodies


@pytest.mark.parametrize(
    "text",
    [
        "I agree.\n\n-- \nAnn\nAcme Inc.",
        "I agree.\n--\nAnn",
        "I agree.\n\nOn Tue, 3 Nov 2026 at 10:00, Bob <b@x.org> wrote:\n> Shall we?\n> Yes?\n",
        "I agree.\n\nOn Tue, 3 Nov 2026 at 10:00, Bob Very Long Name\n<b@x.org> wrote:\n\n> Shall we?",
        "On Tuesday Bob wrote:\n> Shall we?\n\nI agree.",
        "I agree.\n\n-----Original Message-----\nFrom: Bob\nShall we?",
        "I agree.\n\nFrom: Bob [mailto:b@x.org]\nSent: Tuesday\nTo: Ann\nSubject: x\n\nShall we?",
        "I agree.\n_______________________________________________\nlist mailing list\nlist@x.org",
        "> Shall we?\n\nI agree.",
    ],
)
def test_history_and_signature_are_left_out(text: str) -> None:
    assert bodies.body(text) == "I agree."


@pytest.mark.parametrize("text", ["> all of it\n> is quoted", "-----Original Message-----\nhello", "--\nAnn"])
def test_a_message_that_only_quotes_is_read_whole(text: str) -> None:
    assert bodies.body(text) == text


def test_answers_between_quoted_lines_are_kept() -> None:
    assert bodies.body("> one?\nyes\n> two?\nno").split() == ["yes", "no"]


@given(st.text(alphabet=st.sampled_from("\n> -_:FromSent wrotéé1'"), max_size=300))
def test_a_body_is_made_of_the_lines_of_the_text(text: str) -> None:
    found = bodies.body(text)

    assert {line.strip() for line in found.split("\n")} <= {line.strip() for line in text.split("\n")} | {""}
    assert bool(found) == bool(text.strip())


@given(st.text(max_size=200))
def test_words_are_runs_of_letters(text: str) -> None:
    assert bodies.words(text) == re.findall(r"[^\W\d_]+", text.lower())


@pytest.mark.parametrize("piece", ["\n>", "\n", "a", "From: x\n", "\n--", "_", " wrote:\n> ", "a\nb wrote x:\n\n"])
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    found = bodies.body(piece * 500_000)
    bodies.words(found)

    assert len(found) <= bodies.BODY_CHARS
    assert time.process_time() - began < 1
