"""The sentences in which a writer says something."""

import time

import pytest

from jobs.analysis import prose
from jobs.analysis.bodies import words

SAID = "The turbine in hall four failed on Monday."


def of(text: str, line_by_line: bool = False) -> list[str]:
    return [" ".join(sentence.split()) for sentence in prose.sentences(text, frozenset(words(text)), line_by_line)]


@pytest.mark.parametrize(
    "text",
    [
        f"Hi Bob,\n\n{SAID}\n\nBest regards,\nAnn Love",
        f"Dear Mr. Smith, {SAID}",
        f"Sehr geehrte Frau Meier,\n{SAID}\n\nMit freundlichen Grüßen\nAnn",
        f"Bonjour Bob,\n{SAID}\nCordialement\nAnn",
        f"Hola Bob,\n{SAID}\n\nUn saludo,\nAnn",
        f"Olá Bob,\n{SAID}\n\nAtenciosamente,\nAnn",
        f"{SAID}\n\nThis message is confidential. If you are not its reader, delete it.",
        f"{SAID}\nYou are receiving this because you like turbines.\nUnsubscribe here",
        f"{SAID}\n\nSent from my telephone",
        "The tur\u200bbine in\u00ad hall four\u034f failed on Monday.\u200c \u200c \u200c",
    ],
)
def test_greetings_closings_footers_and_padding_are_left_out(text: str) -> None:
    assert of(text) == [SAID]


def test_sentences_end_at_marks_blank_lines_and_in_html_at_ends_of_lines() -> None:
    assert of("One went. Two came! Did three? Yes") == ["One went.", "Two came!", "Did three?", "Yes"]
    assert of("A long line\nthat goes on\n\nAnother") == ["A long line that goes on", "Another"]
    assert of("A heading\nA row", line_by_line=True) == ["A heading", "A row"]
    assert of("今日は。明日は？") == ["今日は。", "明日は？"]
    assert of(" \n\n ") == []


def test_a_phrase_of_a_footer_at_the_top_leaves_the_rest() -> None:
    assert of(f"Unsubscribe\n\n{SAID}") == ["Unsubscribe", SAID]
    assert prose.is_about_the_mail("trouble reading? view in browser")
    assert not prose.is_about_the_mail(SAID.lower())


@pytest.mark.parametrize("piece", ["\n", ". ", "unsubscribe\n", "hi ", "\u200b", "thanks\n", "a"])
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    found = of(piece * 100_000)
    assert len(found) <= 40
    assert time.process_time() - began < 1
