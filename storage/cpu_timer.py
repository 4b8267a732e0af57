"""What work costs, by stage: CPU seconds of the thread that does it, counted at the price of two clock readings.

`stage` counts, `take` hands the counts over and begins anew. A stage within a stage counts in both: keep them apart.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


@contextmanager
def stage(name: str, threads: bool = False) -> Iterator[None]:
    """Count the block's CPU time for a stage of this thread.

    Args:
        threads: the block has threads of its own; count the time of the whole process, where little else runs.
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
