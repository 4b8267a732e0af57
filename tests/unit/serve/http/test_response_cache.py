"""Equal questions at the same time are answered once, unless the answer is not one to share."""

import threading
from collections.abc import Callable

import pytest

from serve.http.response_cache import ResponseCache


class Box:
    """A mailbox with a version."""

    def __init__(self) -> None:
        self.now = "1"

    def version(self) -> str | None:
        return self.now


def together(answers: ResponseCache, box: Box, make: Callable[[], bytes], others: int) -> list[object]:
    """What `make` and so many equal questions, asked while it works, are answered."""
    found: list[object] = []
    begun, asked = threading.Event(), threading.Semaphore(0)

    def slow() -> bytes:
        begun.set()
        for _ in range(others):
            asked.acquire()
        return make()

    def ask(maker: Callable[[], bytes]) -> None:
        try:
            found.append(answers.of(7, box, "question", maker))
        except ValueError as exc:
            found.append(exc)

    class Counting(Box):
        """Tells when a question has looked at the version: it looks for an answer next."""

        def version(self) -> str | None:
            asked.release()
            return box.version()

    threads = [threading.Thread(target=ask, args=(slow,))]
    threads[0].start()
    assert begun.wait(10)
    for _ in range(others):
        follower = threading.Thread(target=lambda: found.append(answers.of(7, Counting(), "question", lambda: b"own")))
        threads.append(follower)
        follower.start()
    for thread in threads:
        thread.join(10)
    return found


def test_an_answer_is_made_once() -> None:
    answers, box = ResponseCache(1000), Box()
    assert together(answers, box, lambda: b"first", 3) == [b"first"] * 4
    assert (answers.hits, answers.misses) == (3, 1)
    assert answers.of(7, box, "question", lambda: b"again") == b"first"


def test_an_answer_that_a_commit_came_into_is_not_shared() -> None:
    answers, box = ResponseCache(1000), Box()

    def make() -> bytes:
        box.now = "2"
        return b"first"

    assert sorted(map(str, together(answers, box, make, 2))) == ["b'first'", "b'own'", "b'own'"]


def test_a_failure_is_its_own_question_s_alone() -> None:
    answers, box = ResponseCache(1000), Box()

    def make() -> bytes:
        raise ValueError("no answer")

    found = together(answers, box, make, 2)
    assert [each for each in found if each == b"own"] == [b"own"] * 2
    assert answers.of(7, box, "question", lambda: b"later") in (b"own", b"later")
    with pytest.raises(ValueError, match="no answer"):
        answers.of(7, box, "other", make)
    assert answers.of(7, box, "other", lambda: b"works") == b"works"


def test_a_response_made_for_a_version_is_kept_under_the_user_and_the_version() -> None:
    counted: list[bool] = []
    answers, box = ResponseCache(1000, counted=counted.append), Box()
    answers.of(7, box, "question", lambda: b"first")

    assert answers.kept((7, box.version(), "question")) == b"first"
    assert answers.kept((8, box.version(), "question")) is None
    assert answers.kept((7, "another", "question")) is None
    assert counted == [False, True], "a response that is not cached is counted when it is made"


def test_a_kept_response_is_forgotten_after_its_time_and_never_exceeds_the_limit() -> None:
    now = [0.0]
    answers = ResponseCache(10, clock=lambda: now[0])
    answers.keep((7, "document", 1), b"x" * 11)
    answers.keep((7, "document", 2), b"y" * 10)

    assert (answers.kept((7, "document", 1)), answers.kept((7, "document", 2))) == (None, b"y" * 10)
    now[0] = 301.0
    assert answers.kept((7, "document", 2)) is None
