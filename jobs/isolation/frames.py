"""The child's side of an isolated process: frames over pipes (four bytes of length, then the content), and limits."""

import os
import pickle
import resource
import signal
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LENGTH = struct.Struct(">I")
#: Seconds after the parent's deadline at which the kernel ends a child, so that no child outlives a killed parent.
_ALARM_AFTER_S = 5.0
#: The first byte of a step's answer: a value, out of memory, or the step raised.
VALUE, MEMORY, RAISED = b"v", b"m", b"r"


def limit_memory(memory_bytes: int) -> None:
    """Let this process add so many bytes of address space, and dump no core."""
    used = _address_space_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, used + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextmanager
def added_memory(memory_bytes: int) -> Iterator[None]:
    """Let this process add so many bytes of address space until the block ends; MemoryError beyond that.

    C code may end the process instead. Of the whole process: no other thread may work meanwhile that must not fail.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _address_space_bytes() + memory_bytes
    allowed = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *allowed]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def alarm(timeout_s: float) -> Iterator[None]:
    """End this process if the block takes longer than the parent waits."""
    signal.setitimer(signal.ITIMER_REAL, timeout_s + _ALARM_AFTER_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def cpu_limit(cpu_s: float) -> Iterator[None]:
    """End this process, by SIGPROF, if the block takes more processor time, of all threads.

    The kernel ends it, so that code which never returns to the interpreter ends, too. Time that a busy machine or a
    suspended laptop takes does not count. One block at a time in a process.
    """
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def answer_steps(requests: int, answers: int, steps: Mapping[str, Callable[[Any], bytes]]) -> None:
    """Answer requests until the pipe is closed. A request is pickled: a step's name, the seconds of processor time that
    the step may take, the seconds after which the parent waits no longer, and the step's argument."""
    while frame := read_frame(requests):
        name, cpu_s, timeout_s, argument = pickle.loads(frame)  # noqa: S301 - written by our parent process
        with alarm(timeout_s), cpu_limit(cpu_s):
            answer = _answer(steps[name], argument)
        write_frame(answers, answer)


def _answer(step: Callable[[Any], bytes], argument: object) -> bytes:
    try:
        return VALUE + step(argument)
    except MemoryError:
        return MEMORY
    except BaseException as error:  # noqa: BLE001 - also SystemExit: the step failed
        return RAISED + f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")


def read_frame(source: int) -> bytes:
    """The next request; empty at the end."""
    length = _read(source, LENGTH.size)
    return _read(source, LENGTH.unpack(length)[0]) if length else b""


def write_frame(sink: int, content: bytes) -> None:
    """Send an answer."""
    view = memoryview(LENGTH.pack(len(content)) + content)
    while view:
        view = view[os.write(sink, view) :]


def _read(source: int, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        piece = os.read(source, min(size - len(content), 1 << 20))
        if not piece:
            return b""
        content += piece
    return bytes(content)


def _address_space_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 - one line of the kernel's
        return int(pages.read().split()[0]) * resource.getpagesize()
