"""CPU seconds of a thread by stage, at the cost of two clock readings per stage.

`stage` measures, `take` returns the totals and resets them. Nested stages count twice: do not nest them.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


@contextmanager
def stage(name: str, threads: bool = False) -> Iterator[None]:
    """Add the block's CPU time to a stage of this thread.

    Args:
        threads: the block starts threads of its own: measure the whole process, which should be otherwise idle.
    """
    clock = time.process_time if threads else time.thread_time
    started = clock()
    try:
        yield
    finally:
        spent = _spent()
        spent[name] = spent.get(name, 0.0) + clock() - started


def take() -> dict[str, float]:
    """CPU seconds of this thread by stage since the last `take`."""
    spent = dict(_spent())
    _spent().clear()
    return spent


def _spent() -> dict[str, float]:
    try:
        spent: dict[str, float] = _here.spent
    except AttributeError:
        spent = _here.spent = {}
    return spent
