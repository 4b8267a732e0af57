"""What the product does with one hostile input, and how much processor time it takes."""

import time
from collections.abc import Callable

from jobs.analysis.mail import Mail
from jobs.analysis.registry import BUILT_IN
from jobs.mime.display import display
from jobs.mime.parser import PARSER_FAILED, parse
from storage.query.conditions import Contains
from storage.query.errors import InvalidQuery
from storage.query.highlighting import fragments
from storage.query.parser import parse as parse_query
from storage.query.words import exact_words, words
from tests.hostile.constructs import MAIL, WORD
from tests.hostile.texts import QUERIES, TEXTS


def mail(name: str, size: int) -> Callable[[], None]:
    """Parse, show, analyse and index a message; the check that it is not hidden is part of it."""
    raw = MAIL[name](size)

    def run() -> None:
        message = parse(raw)
        assert PARSER_FAILED not in message.defects
        if WORD.encode() in raw:
            everything = f"{message.subject} {message.text} {message.from_} {' '.join(message.to)}"
            assert WORD in words(everything) or "text-cut" in message.defects, "the message is hidden"
        display(raw)
        for analyser in BUILT_IN:
            analyser.analyse(Mail(message))
        words(message.text)

    return run


def text(name: str, size: int) -> Callable[[], None]:
    """Split a text into words, and highlight a word in it."""
    piece = TEXTS[name]
    whole = piece * (size // len(piece.encode()) + 1)
    wanted = [Contains(("text",), tuple(words(piece)[:1]) or ("a",))]

    def run() -> None:
        words(whole)
        exact_words(whole)
        fragments("text", whole, wanted)

    return run


def query(name: str, size: int) -> Callable[[], None]:
    """Read a search; refusing it in one sentence is an answer."""
    whole = QUERIES[name](size)

    def run() -> None:
        try:
            parse_query(whole)
        except InvalidQuery as refused:
            assert str(refused)

    return run


def cpu_s(run: Callable[[], None], times: int = 1) -> float:
    """The least processor time of some runs."""
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best
