"""Fuzzes parsing, display, words, searches and highlights with Hypothesis: `make fuzz`, for as long as wanted.

`python -m tests.hostile.fuzzing [SECONDS]`. What fails is shrunk and printed by Hypothesis, and kept in its database.
"""

import sys
import time
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jobs.mime.display import display
from jobs.mime.parser import PARSER_FAILED, parse
from storage.query.conditions import Contains
from storage.query.errors import InvalidQuery
from storage.query.highlighting import fragments
from storage.query.parser import parse as parse_query
from storage.query.printing import print_query
from storage.query.words import exact_words, words
from tests.hostile.constructs import MAIL
from tests.hostile.texts import QUERIES, TEXTS
from tests.unit.jobs.mime.strategies import MAIL as ANY_MAIL
from tests.unit.jobs.mime.strategies import check, damaged

_ROUND = settings(
    max_examples=50,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
_HOSTILE = st.builds(lambda name, size: MAIL[name](size), st.sampled_from(sorted(MAIL)), st.integers(1, 2_000))
_PIECES = st.sampled_from([*TEXTS.values(), *"ab é会\u0301\u05b0\n.@-"])
_TEXT = st.lists(_PIECES | st.text(max_size=5), max_size=200).map("".join)
_QUERY = st.builds(lambda name, size: QUERIES[name](size), st.sampled_from(sorted(QUERIES)), st.integers(0, 100))


@_ROUND
@given(damaged(_HOSTILE | ANY_MAIL), st.booleans())
def mail(raw: bytes, remote_images: bool) -> None:
    """A damaged message is read, and shown as markup that loads nothing and runs nothing."""
    check(raw)
    assert PARSER_FAILED not in parse(raw).defects
    shown = display(raw, remote_images).lower()
    shown.encode("utf-8")
    assert "<script" not in shown and "<style" not in shown and "<iframe" not in shown


@_ROUND
@given(_TEXT)
def texts(text: str) -> None:
    """Words are words of themselves, and what is highlighted lies in the text."""
    found = words(text)
    assert all(word and " " not in word for word in found)
    exact_words(text)
    for shown in fragments("text", text, [Contains(("text",), tuple(found[:2]))] if found else []):
        assert all(0 <= start < end <= len(shown.fragment.text) for start, end in shown.fragment.hits)


@_ROUND
@given(_QUERY | st.text(max_size=100))
def queries(text: str) -> None:
    """A search is refused in a sentence, or it is read and reads the same when it is printed."""
    try:
        tree = parse_query(text)
    except InvalidQuery as refused:
        assert str(refused)
        return
    assert parse_query(print_query(tree)) == tree


def fuzz(seconds: float) -> int:
    """Fuzz for so long; the number of examples.

    Raises:
        AssertionError, Exception: what failed, with the example that Hypothesis found.
    """
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for one in (mail, texts, queries):
            one()
            rounds += 1
    return rounds * 50


def main(arguments: Sequence[str]) -> None:
    """Fuzz for the given number of seconds, 60 by default."""
    count = fuzz(float(arguments[0]) if arguments else 60)
    sys.stdout.write(f"{count} examples, none failed\n")


if __name__ == "__main__":
    main(sys.argv[1:])
