"""A text that hangs what splits it into words costs a search that text only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.isolation.config import ReadLimits
from jobs.isolation.searching import IsolatedTexts
from jobs.isolation.steps import IsolationFailed
from storage.mailbox.texts import HERE, SearchStopped
from storage.query.conditions import AllOf, Condition, Contains, ContainsExactly, Mentions, Near, Negated
from storage.query.evaluate import Content
from tests.hostile.texts import TEXTS

PLANTED = Path(__file__).parents[3] / "hostile" / "planted_words"
LUNCH = Contains(("subject", "text"), ("lunch",))
BAD = "plantedhang\u0301"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[IsolatedTexts]:
    monkeypatch.syspath_prepend(str(PLANTED))
    made = IsolatedTexts(ReadLimits(message_s=0.4, mebibyte_s=0.1))
    yield made
    made.close()


def content(text: str) -> Content:
    return Content({"text": (text,)})


def test_a_child_finds_what_this_process_finds() -> None:
    texts = IsolatedTexts(ReadLimits(message_s=60, most_s=600))
    conditions: list[Condition] = [
        LUNCH,
        Negated(Mentions(("é",))),
        AllOf((LUNCH, ContainsExactly(("text",), ("lunch",), ("lunch",)))),
        Near(("text",), ("a",), ("b",), 3),
    ]
    whole = ["Lunch at noon", "", "a x b lunch", *(piece * 100 + " lunch" for piece in TEXTS.values())]
    contents = [content(text) for text in whole]
    try:
        assert texts.truths(conditions, contents) == HERE.truths(conditions, contents)
        written = [("Lunch", text) for text in whole]
        assert texts.fragments(written, [LUNCH]) == HERE.fragments(written, [LUNCH])
        assert texts.truths(conditions, []) == [] == texts.fragments([], [LUNCH])
    finally:
        texts.close()


def test_a_text_that_hangs_is_taken_for_one_without_words(planted: IsolatedTexts) -> None:
    assert planted.truths([LUNCH], [content("lunch"), content(BAD), content("lunch")]) == [[True], [False], [True]]

    [first, bad, last] = planted.fragments([("Lunch", ""), ("Lunch", BAD), ("", "lunch")], [LUNCH])
    assert (len(first), bad, len(last)) == (1, [], 1)


def test_a_search_over_many_such_texts_is_stopped(planted: IsolatedTexts) -> None:
    with pytest.raises(SearchStopped, match="reading the words of 3 messages exceeded a limit \\(timeout\\)"):
        planted.truths([LUNCH], [content(BAD)] * 200)
    assert planted.truths([LUNCH], [content("lunch")]) == [[True]]


def test_a_child_that_does_not_start_fails_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.isolation.searching.CHILD", "jobs.isolation.nothing")

    with pytest.raises(IsolationFailed):
        IsolatedTexts(ReadLimits()).truths([LUNCH], [content("lunch")])
