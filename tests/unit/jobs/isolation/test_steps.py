"""A child is stopped for the processor time that it takes, not for the time that the machine takes."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jobs.isolation.frames import answer_steps
from jobs.isolation.steps import TIMEOUT, IsolationFailed, StepProcess, Stopped

MODULE = "tests.unit.jobs.isolation.test_steps"
#: Seconds of processor time of a step; it is looked at after six times as long.
CPU_S = 0.3


def begin(_: object) -> bytes:
    return b""


def work(seconds: float) -> bytes:
    """Take so many seconds of processor time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return b"done"


def sleep(seconds: float) -> bytes:
    time.sleep(seconds)
    return b"done"


@pytest.fixture
def made() -> Iterator[Callable[[float], StepProcess]]:
    every: list[StepProcess] = []

    def start(longest_s: float) -> StepProcess:
        child = StepProcess(MODULE, [], longest_s=longest_s)
        child.begin()
        every.append(child)
        return child

    yield start
    for child in every:
        child.close()


def pid_of(child: StepProcess) -> int:
    process = child._child._child
    assert process is not None
    return process.pid


def test_a_step_that_is_suspended_for_long_is_done_when_it_goes_on(made: Callable[[float], StepProcess]) -> None:
    child = made(60.0)
    pid, began = pid_of(child), time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    waking = threading.Timer(4.0, os.kill, (pid, signal.SIGCONT))
    waking.start()

    assert child.ask("work", 0.1, CPU_S) == b"done"

    waking.join()
    assert time.monotonic() - began > 6 * CPU_S + 1 and pid_of(child) == pid


def test_a_step_that_stays_suspended_says_nothing_about_its_message(made: Callable[[float], StepProcess]) -> None:
    child = made(2.5)
    os.kill(pid_of(child), signal.SIGSTOP)

    with pytest.raises(IsolationFailed, match=r"too little processor time in [23] s"):
        child.ask("work", 0.1, CPU_S)

    assert child.ask("work", 0.1, 2.0) == b"done", "another child goes on"


def test_a_step_that_waits_for_nothing_is_stopped(made: Callable[[float], StepProcess]) -> None:
    began = time.monotonic()
    with pytest.raises(Stopped, match=TIMEOUT):
        made(600.0).ask("sleep", 3600.0, CPU_S)

    assert time.monotonic() - began < 60


def test_a_step_that_takes_too_much_processor_time_is_stopped(made: Callable[[float], StepProcess]) -> None:
    with pytest.raises(Stopped, match=TIMEOUT):
        made(600.0).ask("work", 3600.0, CPU_S)


if __name__ == "__main__":
    answer_steps(int(sys.argv[1]), int(sys.argv[2]), {"begin": begin, "work": work, "sleep": sleep})
