"""A merge lets every other thread go first, and the thread that asks for it stays as it was."""

import os
import sys
import threading

import pytest

from jobs.compaction import run_low_priority


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
def test_only_the_threads_that_do_the_work_give_way() -> None:
    def nice() -> tuple[int, str]:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), threading.current_thread().name

    before = nice()
    inside, name = run_low_priority(nice)

    assert inside == max(10, before[0])
    assert name != before[1]
    assert nice() == before


def test_what_goes_wrong_is_raised_where_it_was_asked_for() -> None:
    with pytest.raises(ZeroDivisionError):
        run_low_priority(lambda: 1 / 0)
