"""The source segments of a merge: verifies each, and orders all their messages.

A segment is accepted only if its two files agree on every message and its location. Otherwise `Unmergeable` names the
segment, and the merge continues without it.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.errors import BackupError
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.declared_sizes import require_parquet
from storage.files.file_format import number_of_parquet, require_known
from storage.files.raw_file import RAW_INDEX, read_ending
from storage.model.schemas import MESSAGES
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX
from storage.segments.writer import ORDER

#: The columns of every message that a merge keeps in memory: about 110 bytes per message.
_KEYS = ["user_id", "received_at", "message_id", "size_bytes", "sha256", "frame_offset", "frame_bytes", "raw_offset"]


class Unmergeable(BackupError):
    """A segment's files are damaged, so compaction skips the segment. Restore the files from a copy of the archive."""

    def __init__(self, segment: str, reason: str) -> None:
        super().__init__(segment, reason)
        self.segment, self.reason = segment, reason

    def __str__(self) -> str:
        return f"Compaction skips the segment {self.segment} ({self.reason}): restore its files from a copy."


@dataclass(frozen=True, slots=True)
class Source:
    """A source segment. keys: _KEYS, in order; frames_end: offset at which the frames of its raw file end."""

    name: str
    keys: pa.Table
    frames_end: int
    defective: int

    @property
    def raw_name(self) -> str:
        """Name of the raw file."""
        return self.name + RAW_SUFFIX

    @property
    def size_bytes(self) -> int:
        """Total size of the raw messages."""
        return int(pc.sum(self.keys["size_bytes"]).as_py())

    def frames(self) -> list[tuple[int, int, int]]:
        """(offset, bytes in the file, bytes of mail) of each frame, in order."""
        ends = pc.add(pc.cast(self.keys["raw_offset"], pa.int64()), self.keys["size_bytes"])
        table = self.keys.select(["frame_offset", "frame_bytes"]).append_column("ends", ends)
        grouped = table.group_by("frame_offset").aggregate([("frame_bytes", "max"), ("ends", "max")])
        grouped = grouped.sort_by("frame_offset").select(["frame_offset", "frame_bytes_max", "ends_max"])
        return list(zip(*(column.to_pylist() for column in grouped.columns), strict=True))


@dataclass(frozen=True, slots=True)
class Ordered:
    """All messages of a merge: _KEYS and `source` (its index), sorted by user, date and id."""

    sources: Sequence[Source]
    rows: pa.Table


def open_source(blobs: LocalBlobs, name: str) -> Source:
    """Read the keys of a segment and verify that its files agree.

    Raises:
        Unmergeable.
    """
    with blaming(name):
        raw_name = name + RAW_SUFFIX
        index, frames_end = read_ending(
            raw_name, blobs.size(raw_name), lambda offset, size: blobs.read(raw_name, offset, size)
        )
        with open_parquet(blobs, name) as parquet:
            columns = parquet.schema_arrow
            if parquet.metadata.num_rows != index.num_rows:
                raise Unmergeable(name, "its two files list different numbers of messages")
            if lacking := [field.name for field in MESSAGES if not _can_read(field, columns)]:
                raise Unmergeable(name, f"its Parquet has another column {lacking[0]}")
            table = parquet.read(columns=[*_KEYS, "defects"], use_threads=False)
    keys = table.select(_KEYS)
    if not keys.select(RAW_INDEX.names).cast(RAW_INDEX).equals(index):
        raise Unmergeable(name, "its two files list different messages")
    if not _is_ordered(keys):
        raise Unmergeable(name, "its messages are not in order")
    spans = pc.add(keys["frame_offset"], keys["frame_bytes"])
    if keys.num_rows == 0 or pc.max(spans).as_py() > frames_end or pc.min(keys["frame_offset"]).as_py() < 0:
        raise Unmergeable(name, "a message lies outside its raw file")
    return Source(name, keys, frames_end, pc.sum(pc.greater(pc.list_value_length(table["defects"]), 0)).as_py())


def in_order(sources: Sequence[Source]) -> Ordered:
    """The messages of all sources in the order of the merged segment."""
    numbered = [
        source.keys.append_column("source", pa.repeat(pa.scalar(number, pa.int32()), source.keys.num_rows))
        for number, source in enumerate(sources)
    ]
    rows = pa.concat_tables(numbered).combine_chunks()
    return Ordered(sources, rows.take(pc.sort_indices(rows, sort_keys=ORDER)))


@contextmanager
def open_parquet(blobs: LocalBlobs, name: str) -> Iterator[pq.ParquetFile]:
    """Open a segment's Parquet file; checksums of pages are verified on reading."""
    blobs.size(name + PARQUET_SUFFIX)
    with pa.OSFile(blobs.location(name + PARQUET_SUFFIX)) as file:
        parquet = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False)
        require_known(name + PARQUET_SUFFIX, "messages", number_of_parquet(parquet.metadata.metadata))
        try:
            require_parquet(parquet.metadata)
        except ValueError as exc:
            raise FileDamaged(name + PARQUET_SUFFIX, str(exc)) from exc
        yield parquet


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Translate any error of reading a segment's files into `Unmergeable`.

    Raises:
        Unmergeable.
    """
    try:
        yield
    except FileDamaged as exc:
        raise Unmergeable(name, exc.reason) from exc
    except OSError as exc:
        # pyarrow reports damage as OSError without errno; other OSErrors are not damage, except EIO (a bad sector).
        if exc.errno not in (None, errno.EIO):
            raise
        raise Unmergeable(name, _first_line(exc)) from exc
    except (pa.ArrowException, UnicodeDecodeError) as exc:
        raise Unmergeable(name, _first_line(exc)) from exc


def _first_line(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:200]


def _can_read(field: pa.Field, columns: pa.Schema) -> bool:
    """A column that an older version did not write is read as nulls, if it is nullable."""
    index = columns.get_field_index(field.name)
    return bool(field.nullable if index < 0 else columns.field(index).type == field.type)


def _is_ordered(keys: pa.Table) -> bool:
    """Whether the rows are sorted by user, date and id."""
    if keys.num_rows < 2:
        return True
    keys = keys.select([name for name, _ in ORDER]).combine_chunks()
    above, below = keys.slice(0, keys.num_rows - 1), keys.slice(1)
    right: pa.Array | pa.Scalar = pa.scalar(True)
    for name, _ in reversed(ORDER):
        equal = pc.and_(pc.equal(above[name], below[name]), right)
        right = pc.or_(pc.less(above[name], below[name]), equal)
    return bool(pc.all(right).as_py())
