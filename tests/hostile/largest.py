"""Runs constructs at one size, each in a process of its own, and writes what each step of the product costs.

`python -m tests.hostile.largest SIZE_BYTES [NAME ...]`: a line per construct; at the end the ten worst, and those over
the bounds. The exit code is 1 when one is over.
"""

import os
import pickle
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobs.analysis.mail import Mail
from jobs.analysis.registry import BUILT_IN
from jobs.mime.display import display
from jobs.mime.message import ParsedMessage
from jobs.mime.parser import PARSER_FAILED, attachment, parse
from storage.query.conditions import Contains
from storage.query.highlighting import fragments
from storage.query.words import exact_words, words
from tests.hostile.constructs import MAIL
from tests.hostile.texts import TEXTS

#: No step takes more seconds of a core per MB of the message, or more times its size in memory.
MOST_S_PER_MB, MOST_MEMORY = 2.0, 20.0
#: Memory that a step may take whatever the size: tables, models, the interpreter's arenas.
_BASE_BYTES = 64 << 20
#: A construct that takes longer, or more memory, is ended.
_END_S, _END_BYTES = 240, 3 << 30


class Cost(NamedTuple):
    """Of a step: seconds of processor time, and bytes of memory added."""

    step: str
    cpu_s: float
    added_bytes: int


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    size, wanted = int(arguments[0]), arguments[1:]
    made: dict[str, Callable[[int], bytes]] = {
        **MAIL,
        **{f"body: {name}": _of_text(piece) for name, piece in TEXTS.items()},
    }
    found = []
    parse(b"Subject: x\n\nwords"), display(b"Subject: x\n\nwords")  # load what is loaded once
    for analyser in BUILT_IN:
        analyser.analyse(Mail(parse(b"Subject: x\n\nsome words to begin with")))
    for name in wanted or made:
        costs, ended = _measured(made[name], size)
        found += [(name, cost) for cost in costs]
        sys.stdout.write(f"{name}: {'; '.join(_told(cost) for cost in costs)} {ended}\n")
        sys.stdout.flush()
        if ended:
            found.append((name, Cost(ended, float("inf"), 0)))
    over = [(name, cost) for name, cost in found if _is_over(cost, size)]
    for title, key in (("seconds", lambda one: -one[1].cpu_s), ("memory", lambda one: -one[1].added_bytes)):
        sys.stdout.write(f"\nmost {title}\n")
        for name, cost in sorted(found, key=key)[:20]:
            sys.stdout.write(f"| {name} | {cost.step} | {cost.cpu_s:.1f} s | {cost.added_bytes >> 20} MB |\n")
    sys.stdout.write(f"\n{len(over)} over\n")
    for name, cost in over:
        sys.stdout.write(f"{name}: {_told(cost)}\n")
    return 1 if over else 0


def _of_text(piece: str) -> Callable[[int], bytes]:
    content = piece.encode()
    head = b"Content-Type: text/plain; charset=utf-8\n\n"
    return lambda size: head + content * (size // len(content) + 1)


def _told(cost: Cost) -> str:
    return f"{cost.step} {cost.cpu_s:.1f} s {cost.added_bytes >> 20} MB"


def _is_over(cost: Cost, size: int) -> bool:
    return cost.cpu_s > MOST_S_PER_MB * size / 1e6 or cost.added_bytes > MOST_MEMORY * size + _BASE_BYTES


def _measured(make: Callable[[int], bytes], size: int) -> tuple[list[Cost], str]:
    """The costs of the steps that ended, and how the process was ended; "" when it ended by itself."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        resource.setrlimit(resource.RLIMIT_CPU, (_END_S, _END_S + 5))
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + _END_BYTES,) * 2)
        code = 1
        with os.fdopen(sink, "wb") as answers, suppress(MemoryError):
            for cost in _steps(make(size)):
                answers.write(pickle.dumps(cost))
                answers.flush()
            code = 0
        os._exit(code)
    os.close(sink)
    costs = []
    with os.fdopen(source, "rb") as answers, suppress(EOFError):
        while True:
            costs.append(pickle.load(answers))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return costs, f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return costs, "out of memory or raised" if status else ""


def _steps(raw: bytes) -> "list[Cost]":
    costs = []
    message: ParsedMessage | None = None

    def step(name: str, run: Callable[[], object]) -> object:
        Path("/proc/self/clear_refs").write_text("5")
        before, start = _memory("VmRSS"), time.process_time()
        result = run()
        costs.append(Cost(name, time.process_time() - start, _memory("VmHWM") - before))
        return result

    message = step("parse", lambda: parse(raw))  # type: ignore[assignment]
    assert message is not None and PARSER_FAILED not in message.defects, "a step of the parser failed"
    step("display", lambda: display(raw))
    if message.attachments:
        step("attachment", lambda: attachment(raw, message.attachments[-1].part))
    found = step("words", lambda: words(message.text))
    step("exact words", lambda: exact_words(message.text))
    step("header words", lambda: [words(value) for value in (message.subject, message.from_, *message.to, *message.cc)])
    wanted = [Contains(("text",), tuple(found[:1]) or ("a",))]  # type: ignore[index]
    step("highlights", lambda: fragments("text", message.text, wanted))
    step("analysis", lambda: [analyser.analyse(Mail(message)) for analyser in BUILT_IN])
    return costs


def _memory(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    match = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    assert match is not None, status
    return int(match[1]) << 10


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
