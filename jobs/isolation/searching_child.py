"""The process that reads texts for a search: `python -m jobs.isolation.searching_child REQUESTS ANSWERS MEMORY_BYTES`.

Asked by searching.py. After it has loaded all that reading takes, the kernel refuses it files, network and processes.
"""

import pickle
import sys
from collections.abc import Sequence

from jobs.isolation.frames import answer_steps, limit_memory
from storage.mailbox.texts import HERE, Written
from storage.query.conditions import Condition, Contains
from storage.query.evaluate import Content
from storage.query.words import exact_words, words
from storage.sql_sandbox import wall


def begin(_: object) -> bytes:
    """Load what is loaded on first use, then confine this process; the kernel's features that are missing, pickled."""
    words("some words é 会議"), exact_words("some words é 会議")
    return pickle.dumps(wall.build())


def truths(asked: tuple[Sequence[Condition], Sequence[Content]]) -> bytes:
    """As `Texts.truths`, pickled."""
    return pickle.dumps(HERE.truths(*asked), pickle.HIGHEST_PROTOCOL)


def fragments(asked: tuple[Sequence[Contains], Sequence[Written]]) -> bytes:
    """As `Texts.fragments`, pickled."""
    wanted, written = asked
    return pickle.dumps(HERE.fragments(written, wanted), pickle.HIGHEST_PROTOCOL)


def main(requests: int, answers: int, memory_bytes: int) -> None:
    """Answer requests until the pipe is closed."""
    limit_memory(memory_bytes)
    answer_steps(requests, answers, {"begin": begin, "truths": truths, "fragments": fragments})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
