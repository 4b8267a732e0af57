"""The process that analyses stored mail: `python -m jobs.isolation.analysing_child REQUESTS ANSWERS MEMORY_BYTES`.

Asked by analysing.py.
"""

import sys
from collections.abc import Callable, Sequence

import pyarrow as pa

from jobs.isolation.frames import answer_steps, limit_memory
from jobs.mime.message import ParsedMessage
from jobs.reanalysis import messages_of

Run = Callable[[Sequence[ParsedMessage], Sequence[str]], pa.Table]


class Steps:
    """What can be asked."""

    def __init__(self) -> None:
        self._run: Run | None = None

    def begin(self, run: Run) -> bytes:
        """Take the analysers."""
        self._run = run
        return b""

    def analyse(self, asked: tuple[bytes, Sequence[bytes | None], Sequence[str]]) -> bytes:
        """The named analysers' structs as an Arrow stream. asked: rows as an Arrow stream, exact bytes, names."""
        assert self._run is not None, "the parent names the analysers first"
        rows, raws, names = asked
        table = self._run(messages_of(pa.ipc.open_stream(rows).read_all(), raws), names)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        content: bytes = sink.getvalue().to_pybytes()
        return content


def main(requests: int, answers: int, memory_bytes: int) -> None:
    """Answer requests until the pipe is closed."""
    limit_memory(memory_bytes)
    steps = Steps()
    answer_steps(requests, answers, {"begin": steps.begin, "analyse": steps.analyse})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
