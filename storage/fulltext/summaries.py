"""The list columns of every message, beside the words of a split: a page of scattered messages reads a block for each,
instead of a Parquet row group.

    skippable frame ...    blocks: zstd frames of the records of 32 messages, in the order of the segment
    skippable frame ...    per user: message ids (i64, sorted), then the row number of each (u32)
    skippable frame        the head, zstd-compressed: where the blocks and the users' ids are (`_Head`)

A record is JSON: the columns `COLUMNS` of schemas.MESSAGES, and whether the message has attachments. Every block is cut
by row; the row comes from the ids of one user, so a lookup returns rows of that user only. Checksums are verified
before use. Readers of the first release skip all of it (skippable frames, RFC 8878), and a merge by that release drops
it: a split may have none, and lists then read Parquet.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from storage.files.blobs import FileDamaged

#: The columns of schemas.MESSAGES in a record, in order; `has_attachment` follows.
COLUMNS = ("from", "to", "cc", "subject", "snippet", "defects")
_KINDS: Mapping[str, type] = {"from": str, "to": list, "cc": list, "subject": str, "snippet": str, "defects": list}
#: The columns that `SummaryWriter.add` reads.
NEEDED = ("user_id", "message_id", *COLUMNS, "attachments")
#: The same as pyarrow's paths of Parquet columns: of attachments one field, to see whether there are any.
READ = ("user_id", "message_id", *COLUMNS, "attachments.list.element.part")
#: Messages per block. 16: 12% larger; 64: a page of scattered messages decompresses twice as much.
_PER_BLOCK = 32
_LEVEL = 3
_COUNT, _COUNTS = struct.Struct("<I"), struct.Struct("<III")
#: Most bytes to which a head or a block inflates: an archive may come from somebody else.
_MOST_BYTES = 64 << 20

Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
Places = np.ndarray[tuple[int], np.dtype[np.uint32]]


class SummaryWriter:
    """Makes the content of the skippable frames. Memory: one table, and 12 bytes per message."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, int]] = []  # offset in the file, bytes
        self._users: list[Ids] = []
        self._ids: list[Ids] = []
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
        self._left: list[bytes] = []

    def add(self, table: pa.Table, offset: int) -> bytes:
        """The full blocks of further messages, in the order of the segment.

        Args:
            table: at least `NEEDED`.
            offset: position in the file of the returned bytes.
        """
        self._users.append(table["user_id"].to_numpy())
        self._ids.append(table["message_id"].to_numpy())
        records = [*self._left, *_records(table)]
        full = len(records) - len(records) % _PER_BLOCK
        self._left = records[full:]
        return self._packed([records[at : at + _PER_BLOCK] for at in range(0, full, _PER_BLOCK)], offset)

    def last(self, offset: int) -> bytes:
        """The last block, of fewer messages; empty if there is none."""
        records, self._left = self._left, []
        return self._packed([records], offset) if records else b""

    def index(self, offset: int) -> tuple[bytes, bytes]:
        """The ids of every user, to be written at `offset` of the file, and the head."""
        users, ids = np.concatenate(self._users), np.concatenate(self._ids)
        order = np.lexsort((ids, users))
        users, ids = users[order], ids[order]
        names, starts = np.unique(users, return_index=True)
        ends = [*starts[1:].tolist(), len(users)]
        parts, entries = [], []
        for user_id, start, end in zip(names.tolist(), starts.tolist(), ends, strict=True):
            part = ids[start:end].astype("<i8").tobytes() + order[start:end].astype("<u4").tobytes()
            entries.append((user_id, offset, end - start, zlib.crc32(part)))
            parts.append(part)
            offset += len(part)
        head = _Head(self._blocks, entries)
        return b"".join(parts), self._compressor.compress(head.encode())

    def _packed(self, blocks: Sequence[Sequence[bytes]], offset: int) -> bytes:
        frames = []
        for records in blocks:
            ends = np.cumsum([len(record) for record in records], dtype="<u4")
            frame = self._compressor.compress(_COUNT.pack(len(records)) + ends.tobytes() + b"".join(records))
            self._blocks.append((offset, len(frame)))
            offset += len(frame)
            frames.append(frame)
        return b"".join(frames)


def _records(table: pa.Table) -> Iterator[bytes]:
    attached = pc.greater(pc.list_value_length(table["attachments"]), 0).to_pylist()
    columns = [table[name].to_pylist() for name in COLUMNS]
    return (orjson.dumps(values) for values in zip(*columns, attached, strict=True))


@dataclass(frozen=True, slots=True)
class _Head:
    """blocks: offset in the file and bytes; users: id, offset of the ids, number of messages, CRC-32."""

    blocks: Sequence[tuple[int, int]]
    users: Sequence[tuple[int, int, int, int]]

    def encode(self) -> bytes:
        counts = _COUNTS.pack(_PER_BLOCK, len(self.blocks), len(self.users))
        blocks, users = np.array(self.blocks, "<u8").reshape(-1, 2), np.array(self.users, "<i8").reshape(-1, 4)
        return counts + blocks.tobytes() + users.tobytes()


class Summaries:
    """Reads the summaries of one split. The head is in memory: 16 bytes per block, 32 per user."""

    def __init__(self, name: str, head: bytes) -> None:
        """`head`: as `SummaryWriter.index` made it.

        Raises:
            FileDamaged.
        """
        self._name = name
        data = _decompressed(name, head)
        try:
            self._per_block, blocks, users = _COUNTS.unpack_from(data)
            self._blocks = np.frombuffer(data, "<u8", 2 * blocks, _COUNTS.size).reshape(-1, 2)
            if not self._per_block:
                raise ValueError("blocks without messages")
            entries = np.frombuffer(data, "<i8", 4 * users, _COUNTS.size + 16 * blocks).reshape(-1, 4)
        except (struct.error, ValueError) as exc:
            raise FileDamaged(name, "its summaries cannot be read") from exc
        self._users = {user_id: (offset, count, crc) for user_id, offset, count, crc in entries.tolist()}
        self.size_bytes = len(data) + 200 * len(self._users)

    def part_of(self, user_id: int) -> tuple[int, int] | None:
        """Offset and bytes of a user's ids in the file; None: the segment has no mail of this user."""
        entry = self._users.get(user_id)
        return None if entry is None else (entry[0], 12 * entry[1])

    def ids(self, user_id: int, part: bytes) -> tuple[Ids, Places]:
        """The sorted message ids of a user, and their rows, from the bytes of `part_of`.

        Raises:
            FileDamaged.
        """
        _, count, crc = self._users[user_id]
        if len(part) != 12 * count or zlib.crc32(part) != crc:
            raise FileDamaged(self._name, "the ids of its summaries have another checksum")
        return np.frombuffer(part, "<i8", count), np.frombuffer(part, "<u4", count, 8 * count)

    def block_of(self, row: int) -> tuple[int, int, int]:
        """Number, offset and bytes of the block that has a row.

        Raises:
            FileDamaged.
        """
        number = row // self._per_block
        if number >= len(self._blocks):
            raise FileDamaged(self._name, "its summaries end too early")
        offset, size = self._blocks[number].tolist()
        return number, offset, size

    def open_block(self, frame: bytes) -> bytes:
        """Decompress a block and verify its checksum.

        Raises:
            FileDamaged.
        """
        return _decompressed(self._name, frame)

    def record(self, block: bytes, row: int) -> dict[str, Any]:
        """A message's list columns, from the opened block that has its row.

        Raises:
            FileDamaged.
        """
        number = row % self._per_block
        try:
            [count] = _COUNT.unpack_from(block)
            ends = struct.unpack_from(f"<{count}I", block, _COUNT.size)
            first = _COUNT.size * (1 + count)
            values = orjson.loads(block[first + (ends[number - 1] if number else 0) : first + ends[number]])
            row_values = dict(zip((*COLUMNS, "has_attachment"), values, strict=True))
            if not all(isinstance(row_values[name], kind) for name, kind in _KINDS.items()):
                raise ValueError("a value of another type")
            return row_values
        except (struct.error, ValueError, IndexError, TypeError) as exc:
            raise FileDamaged(self._name, "a record of its summaries cannot be read") from exc


def _decompressed(name: str, frame: bytes) -> bytes:
    try:
        if not 0 <= zstandard.frame_content_size(frame) <= _MOST_BYTES:
            raise FileDamaged(name, "a block of its summaries declares an impossible size")
        return zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError as exc:
        raise FileDamaged(name, "a block of its summaries does not decompress") from exc
