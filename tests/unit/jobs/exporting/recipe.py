"""The way back from an mbox to exact bytes, as jobs/exporting/mbox.py documents it."""

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser

_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_LAST = re.compile(rb"^X-GBM-Size: ([0-9]+)\n", re.MULTILINE)


def exact_messages(data: bytes) -> Iterator[tuple[int, Message, bytes]]:
    """Each message's id as a number, our headers, and its exact bytes."""
    starts = [match.start() for match in re.finditer(rb"^From ", data, re.MULTILINE)]
    for start, end in zip(starts, [*starts[1:], len(data)], strict=False):
        part = data[start:end]
        last = _LAST.search(part)
        assert last is not None
        first, _, ours = part[: last.end()].partition(b"\n")
        raw = _QUOTED.sub(rb"\1", part[last.end() :])[: int(last[1])]
        head = BytesParser().parsebytes(ours)
        yield int(first.split()[1].split(b"@")[0], 16), head, raw
