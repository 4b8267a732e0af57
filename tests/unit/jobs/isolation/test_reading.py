"""A message that hangs, crashes or exhausts what reads it costs its own request only."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.isolation.config import ReadLimits
from jobs.isolation.reading import IsolatedReading
from jobs.isolation.steps import IsolationFailed
from jobs.mime import reading
from jobs.mime.display import display
from jobs.mime.parser import attachment
from storage.mailbox.message import ReadingStopped
from tests.hostile.constructs import MAIL

PLANTED = Path(__file__).parents[3] / "hostile" / "planted"
HEAD = b"Subject: Lunch\r\n\r\n"
GOOD = HEAD + b"At noon?"


@pytest.fixture(scope="module")
def plain() -> Iterator[IsolatedReading]:
    made = IsolatedReading(ReadLimits(message_s=60, most_s=600))
    yield made
    made.close()


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[IsolatedReading]:
    monkeypatch.syspath_prepend(str(PLANTED))
    made = IsolatedReading(ReadLimits(message_s=1.0, mebibyte_s=0.1, memory_bytes=256 << 20, children=1))
    yield made
    made.close()


@pytest.mark.parametrize(("fault", "code"), [("hang", "timeout"), ("eater", "memory"), ("crash", "crashed")])
def test_what_stops_the_reader_costs_its_own_request_only(planted: IsolatedReading, fault: str, code: str) -> None:
    bad = HEAD + f"planted-{fault}".encode()
    for ask in (planted.body, planted.page, lambda raw: planted.part(raw, "1")):
        began = time.monotonic()
        with pytest.raises(ReadingStopped, match=code):
            ask(bad)
        assert time.monotonic() - began < 30
        assert planted.body(GOOD).text == "At noon?"


def test_a_child_reads_what_this_process_reads_whatever_the_charset(plain: IsolatedReading) -> None:
    """Though it can open no file: what codecs and parsers load, they have loaded before."""
    for name, made in MAIL.items():
        raw = made(500)
        assert plain.body(raw) == reading.body(raw), name
        assert plain.page(raw, True) == display(raw, True), name
        assert plain.part(raw, "1") == attachment(raw, "1"), name


def test_a_child_that_died_meanwhile_is_replaced(plain: IsolatedReading) -> None:
    plain.body(GOOD)
    child = plain._free[-1]._child._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()

    assert plain.body(GOOD).text == "At noon?"


def test_threads_share_the_children() -> None:
    made = IsolatedReading(ReadLimits(children=2))
    try:
        with ThreadPoolExecutor(8) as threads:
            texts = list(threads.map(lambda number: made.body(HEAD + b"%d" % number).text, range(100)))
        assert texts == [str(number) for number in range(100)]
        assert len(made._free) <= 2
    finally:
        made.close()


def test_a_request_does_not_wait_long_for_a_child(planted: IsolatedReading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.isolation.reading._WAIT_S", 0.1)
    assert planted._places.acquire(blocking=False)
    with pytest.raises(IsolationFailed, match="all 1 are busy"):
        planted.body(GOOD)

    planted._places.release()
    assert planted.body(GOOD).text == "At noon?"


def test_reading_a_message_has_a_limit_whatever_its_size() -> None:
    limits = ReadLimits()
    assert limits.cpu_s(1 << 20) == limits.message_s + limits.mebibyte_s
    assert limits.cpu_s(25 << 20) == limits.most_s
