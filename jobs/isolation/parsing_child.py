"""The process that parses suspect mail: `python -m jobs.isolation.parsing_child REQUESTS ANSWERS MEMORY_BYTES`.

Asked by parsing.py. The steps of a message are asked one after the other, so that the parent knows which one ended the
process.
"""

import pickle
import sys
from collections.abc import Callable

import pyarrow as pa

from jobs.isolation.frames import answer_steps, limit_memory
from jobs.mime.message import ParsedMessage
from jobs.mime.parser import parse
from storage.query.words import separated


class Steps:
    """What can be asked, by name; `analyse` and `index` work on the message parsed last."""

    def __init__(self) -> None:
        self._analyse: Callable[[list[ParsedMessage]], pa.Table] | None = None
        self._message: ParsedMessage | None = None

    def begin(self, analyse: Callable[[list[ParsedMessage]], pa.Table] | None) -> bytes:
        """Take the analysers."""
        self._analyse = analyse
        return b""

    def parse(self, raw: bytes) -> bytes:
        """The parsed message, pickled."""
        self._message = parse(raw)
        return pickle.dumps(self._message, pickle.HIGHEST_PROTOCOL)

    def index(self, _: object) -> bytes:
        """Split the texts into words, as the index does; returns nothing."""
        message = self._parsed()
        people = (*message.to, *message.cc, *message.bcc)
        names = (attachment.filename for attachment in message.attachments)
        for text in (message.subject, message.text, message.from_, message.list_id, *people, *names):
            separated(text)
        return b""

    def analyse(self, _: object) -> bytes:
        """The analysers' structs, one row, as an Arrow stream."""
        assert self._analyse is not None, "the parent asks only if it named analysers"
        table = self._analyse([self._parsed()])
        if table.num_rows != 1:
            raise ValueError(f"{table.num_rows} results for 1 message")
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        content: bytes = sink.getvalue().to_pybytes()
        return content

    def _parsed(self) -> ParsedMessage:
        assert self._message is not None, "the parent asks after `parse`"
        return self._message


def main(requests: int, answers: int, memory_bytes: int) -> None:
    """Answer requests until the pipe is closed."""
    limit_memory(memory_bytes)
    steps = Steps()
    answer_steps(
        requests,
        answers,
        {"begin": steps.begin, "parse": steps.parse, "index": steps.index, "analyse": steps.analyse},
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
