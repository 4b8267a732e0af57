"""Mail that hangs, crashes or exhausts the parser costs only its own content."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.analysis.config import AnalysisConfig
from jobs.analysis.running import configured
from jobs.isolation import parsing
from jobs.isolation.config import ParseLimits
from jobs.isolation.frames import added_memory
from jobs.isolation.parsing import IsolatedParser
from jobs.isolation.steps import IsolationFailed
from jobs.mime.parser import parse
from storage.model.results import UNPARSABLE

PLANTED = Path(__file__).parents[3] / "hostile" / "planted"
HEAD = b"From: Ann <ann@example.com>\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\nSubject: Lunch\r\n\r\n"
GOOD = HEAD + b"At noon?"
LIMITS = ParseLimits(message_s=2.0, memory_bytes=256 << 20)


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[IsolatedParser]:
    monkeypatch.syspath_prepend(str(PLANTED))
    made = IsolatedParser(LIMITS, None)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("planted", "code"),
    [(b"planted-hang", "parser-timeout"), (b"planted-eater", "parser-memory"), (b"planted-crash", "parser-crashed")],
)
def test_a_message_that_stops_the_parser_keeps_its_headers(parser: IsolatedParser, planted: bytes, code: str) -> None:
    read = [parser.read(raw).message for raw in (GOOD, HEAD + planted, GOOD)]

    assert [message.text for message in read] == ["At noon?", "", "At noon?"]
    assert [message.subject for message in read] == ["Lunch"] * 3
    assert [message.defects for message in read] == [[], [code], []]
    assert code in UNPARSABLE


def test_a_message_whose_headers_stop_the_parser_keeps_nothing(parser: IsolatedParser) -> None:
    message = parser.read(b"Subject: planted-hang\r\n\r\nx").message

    assert (message.subject, message.defects) == ("", ["parser-timeout"])


def test_what_a_child_reads_is_what_this_process_reads() -> None:
    analysers = configured(AnalysisConfig(plugins=False))
    assert analysers is not None
    parser = IsolatedParser(ParseLimits(message_s=60), analysers.all)
    try:
        read = parser.read(GOOD)
    finally:
        parser.close()

    assert read.message == parse(GOOD)
    assert read.analysis is not None and read.analysis.equals(analysers.all([parse(GOOD)]))


def endless(_: object) -> pa.Table:
    while True:
        pass


def test_an_analysis_that_does_not_end_costs_only_itself() -> None:
    parser = IsolatedParser(LIMITS, endless)
    try:
        read = parser.read(GOOD)
    finally:
        parser.close()

    assert (read.message.text, read.message.defects, read.analysis) == ("At noon?", ["parser-timeout"], None)


def test_a_child_that_does_not_start_marks_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "CHILD", "jobs.isolation.nothing")

    with pytest.raises(IsolationFailed, match="does not work"):
        IsolatedParser(LIMITS, None).read(GOOD)


def test_a_block_that_takes_too_much_processor_time_ends_its_process() -> None:
    """Also where code never returns to the interpreter; waiting does not count."""
    program = "import sys, time; from jobs.isolation.frames import cpu_limit\n"
    program += "with cpu_limit(0.2): exec(sys.argv[1])"
    endless = ("while True: pass", "import re; re.match('(a*)*b', 'a' * 60)", "sum(iter(int, 1))")
    ends = [subprocess.run([sys.executable, "-c", program, one], check=False).returncode for one in endless]

    assert ends == [-signal.SIGPROF] * 3
    assert subprocess.run([sys.executable, "-c", program, "time.sleep(0.5)"], check=False).returncode == 0


def test_memory_beyond_the_limit_is_refused_and_the_limit_ends() -> None:
    with pytest.raises(MemoryError), added_memory(256 << 20):
        bytearray(1 << 30)

    assert len(bytearray(300 << 20)) == 300 << 20
