"""Messages between a query's process and its parent: a length of eight bytes, then the content."""

import struct
from collections.abc import Callable

import pyarrow as pa

LENGTH = struct.Struct(">Q")


def framed(content: bytes | memoryview) -> tuple[bytes, bytes | memoryview]:
    """The two parts of a message."""
    return LENGTH.pack(len(content)), content


def read(exactly: Callable[[int], bytes], most: int) -> bytes:
    """Read the next message.

    Args:
        exactly: reads the given number of bytes.

    Raises:
        ValueError: the message is longer than `most`.
    """
    (length,) = LENGTH.unpack(exactly(LENGTH.size))
    if length > most:
        raise ValueError(f"a message of {length:,} bytes")
    return exactly(length)


def packed(table: pa.Table) -> memoryview:
    """A table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=50_000)
    return memoryview(sink.getvalue())


def unpacked(stream: bytes) -> pa.Table:
    """The table of an Arrow stream, validated: another process wrote it.

    Raises:
        pa.ArrowException.
    """
    table = pa.ipc.open_stream(stream).read_all()
    table.validate(full=True)
    return table
