"""Checks what an Arrow or Parquet file declares before it is read: a few hundred bytes can declare gigabytes.

An archive may come from somebody else. Compressed Arrow buffers and run-length encoded Parquet pages take no room in a
file, and all of it in memory.
"""

import struct

import pyarrow as pa
import pyarrow.parquet as pq

#: Messages of a segment: twice what a merge makes at most (ArchiveConfig.merged_messages).
_MOST_ROWS = 20_000_000
#: Values of one column in a row: a message has at most 2,000 addresses and 1,000 headers (MimeLimits).
_MOST_VALUES = 4096
#: Slots of Arrow's flatbuffers: Message.header, RecordBatch.compression (format/Message.fbs).
_HEADER, _COMPRESSION = 2, 3


def require_parquet(metadata: pq.FileMetaData) -> None:
    """Refuse a Parquet file of a segment that declares more rows, or more values in a row, than any segment has.

    Raises:
        ValueError.
    """
    if not 0 <= metadata.num_rows <= _MOST_ROWS:
        raise ValueError(f"it declares {metadata.num_rows:,} messages")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:
        raise ValueError("its row groups have another number of messages than it declares")
    for group in groups:
        for number in range(group.num_columns):
            if not 0 <= group.column(number).num_values <= _MOST_VALUES * group.num_rows:
                raise ValueError(f"its column {group.column(number).path_in_schema} declares too many values")


def read_stream(data: bytes) -> pa.Table:
    """Read an Arrow IPC stream whose buffers are not compressed, so that it takes no more memory than its size.

    Raises:
        ValueError, pa.ArrowException, OSError.
    """
    messages = pa.MessageReader.open_stream(data)
    try:
        while True:
            message = messages.read_next_message()
            if message.type == "dictionary" or (
                message.type == "record batch" and _is_compressed(message.metadata.to_pybytes())
            ):
                raise ValueError("it is compressed")
    except StopIteration:
        pass
    except struct.error as exc:
        raise ValueError("its metadata are damaged") from exc
    table = pa.ipc.open_stream(data).read_all()
    table.validate()
    return table


def _is_compressed(metadata: bytes) -> bool:
    (message,) = struct.unpack_from("<I", metadata, 0)
    header = _slot(metadata, message, _HEADER)
    if header is None:
        return False
    (offset,) = struct.unpack_from("<I", metadata, header)
    return _slot(metadata, header + offset, _COMPRESSION) is not None


def _slot(data: bytes, table: int, number: int) -> int | None:
    """The position of a field of a flatbuffers table; None when the field is absent."""
    (back,) = struct.unpack_from("<i", data, table)
    vtable = table - back
    if vtable < 0:
        raise struct.error("a table before the message")
    (size,) = struct.unpack_from("<H", data, vtable)
    place = 4 + 2 * number
    if place + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", data, vtable + place)
    return table + offset if offset else None
