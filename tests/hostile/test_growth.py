"""Hostile mail costs nothing: time grows with the size of the input, nothing raises, no message is hidden.

Small sizes here, measured in processor time, the least of some runs: a machine that is busy measures more, never less.
The slow suite does the same at 256 KB, with a bound on memory, in a process of its own.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile import driving, fuzzing
from tests.hostile.constructs import MAIL
from tests.hostile.fuzzing import fuzz
from tests.hostile.texts import QUERIES, TEXTS

#: Four times the size may take so many times as long: 16 would be the square.
_GROWTH = 9
#: Seconds that are never too many: what is measured below is noise.
_NOISE_S = 0.05

_SIZES = (1_000, 4_000, 16_000)


@pytest.mark.parametrize("name", MAIL)
def test_four_times_the_mail_takes_about_four_times_as_long(name: str) -> None:
    _check(lambda size: driving.mail(name, size), _SIZES)


@pytest.mark.parametrize("name", TEXTS)
def test_four_times_the_text_takes_about_four_times_as_long(name: str) -> None:
    _check(lambda size: driving.text(name, size), _SIZES)


@pytest.mark.parametrize("name", QUERIES)
def test_a_search_of_any_writing_is_read_or_refused_at_once(name: str) -> None:
    _check(lambda size: driving.query(name, size), (50, 200, 800))


def test_there_are_hundreds_of_constructs() -> None:
    assert len(MAIL) + len(TEXTS) + len(QUERIES) >= 400


def _check(made: Callable[[int], Callable[[], None]], sizes: tuple[int, int, int]) -> None:
    smallest, *larger = map(made, sizes)
    smallest()
    seconds = [driving.cpu_s(run) for run in larger]
    for _ in range(8):  # again before it is called slow
        if seconds[1] <= _GROWTH * seconds[0] + _NOISE_S:
            break
        seconds = [min(before, driving.cpu_s(run)) for before, run in zip(seconds, larger, strict=True)]
    assert seconds[1] <= _GROWTH * seconds[0] + _NOISE_S


@pytest.mark.slow
@pytest.mark.parametrize("share", range(4))
def test_a_quarter_of_a_megabyte_of_anything_takes_seconds_and_little_memory(share: int) -> None:
    """Of each construct, 8 s of a busy core at most, and together 250 MB."""
    command = [sys.executable, "-m", "tests.hostile.large", str(share), "4", "262144", "8", "250"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_what_fuzzing_finds_leaves_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "words", lambda text: ["two words"] if "a" in text else [])

    with pytest.raises(AssertionError):
        fuzz(60, tmp_path)

    [find] = tmp_path.iterdir()
    assert find.name.startswith("texts-") and b"a" in find.read_bytes()


@pytest.mark.slow
def test_a_minute_of_fuzzing_finds_nothing() -> None:
    assert fuzz(60) > 100
