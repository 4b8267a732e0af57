"""Merges raw files: copies their frames one after the other and writes a new index.

A segment of small frames (many frames of a few messages each) is re-packed instead: its messages are decompressed and
packed into frames of the usual size. A damaged frame affects its own messages only: it is copied byte for byte at its
place, and its messages are reported.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from cachetools import LRUCache

from storage.config import ArchiveConfig
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.raw_file import RAW_INDEX, RawWriter, ending, open_frame
from storage.model.records import FileDigest
from storage.segments.file_names import RAW_SUFFIX
from storage.segments.merge.sources import MergeSource, Ordered, blaming

#: Bytes per read when frames are copied, unless one frame is larger.
_READ_BYTES = 8 << 20
#: A segment whose average frame has less than this share of a full frame's mail is re-packed. Full frames have at least
#: a third, so no mail is re-packed twice. Frames with one message of 5 KB shrink to 1/2.2, with ten messages to 1/1.1;
#: at a quarter of a frame the saving would not justify the index updates.
_SMALL_FRAME = 4
#: Most messages re-packed in one merge: each requires an update of the message index.
_MOST_REPACKED = 50_000
#: Decompressed frames cached while messages are re-packed.
_CACHE_BYTES = 64 << 20

_PLACE = ["frame_offset", "frame_bytes", "raw_offset"]


@dataclass(frozen=True, slots=True)
class Placed:
    """The merged raw file. rows: as in `Ordered`, with the new locations.

    bases: per source, the number of bytes by which its frames moved; None: it was re-packed.
    damaged: (user, message) whose bytes were already damaged.
    """

    file: FileDigest
    rows: pa.Table
    bases: tuple[int | None, ...]
    damaged: tuple[tuple[int, int], ...]


def merge_raw(blobs: LocalBlobs, config: ArchiveConfig, name: str, ordered: Ordered) -> Placed:
    """Write and sync the raw file of the merged segment.

    Raises:
        Unmergeable: a source cannot be read.
    """
    merging = _Merging(blobs, config, ordered)
    file = blobs.put_digested(name + RAW_SUFFIX, merging.chunks())
    return Placed(file, merging.rows, tuple(merging.bases), tuple(merging.damaged))


class _Merging:
    """State of one merge; complete once `chunks` is exhausted."""

    def __init__(self, blobs: LocalBlobs, config: ArchiveConfig, ordered: Ordered) -> None:
        self._blobs, self._config, self._sources = blobs, config, ordered.sources
        self.rows = ordered.rows
        self.bases: list[int | None] = [0] * len(ordered.sources)
        self.damaged: list[tuple[int, int]] = []
        self._offset = 0

    def chunks(self) -> Iterator[bytes]:
        """The whole file, in chunks."""
        small = set(self._small())
        for number, source in enumerate(self._sources):
            if number in small:
                self.bases[number] = None
            else:
                self.bases[number] = self._offset
                yield from self._copy(source)
        self._rebase()
        if small:
            yield from self._repack(sorted(small))
        yield from ending(self.rows.select(RAW_INDEX.names).cast(RAW_INDEX), self._offset)

    def _small(self) -> Iterator[int]:
        left = _MOST_REPACKED
        for number, source in enumerate(self._sources):
            messages = source.keys.num_rows
            full = len(source.frames()) * self._config.frame_bytes
            if source.size_bytes * _SMALL_FRAME < full and messages <= left:
                left -= messages
                yield number

    def _copy(self, source: MergeSource) -> Iterator[bytes]:
        """The frames of a source, each verified, and any bytes between them, unchanged."""
        spoilt: list[int] = []
        with blaming(source.name):
            for start, end, frames in _runs(source):
                data = self._blobs.read(source.raw_name, start, end - start)
                for offset, frame_bytes, mail_bytes in frames:
                    frame = memoryview(data)[offset - start : offset - start + frame_bytes]
                    if not _is_sound(source.raw_name, frame, offset, mail_bytes):
                        spoilt.append(offset)
                self._offset += len(data)
                yield data
        if spoilt:
            lost = source.keys.filter(pc.is_in(source.keys["frame_offset"], pa.array(spoilt, pa.int64())))
            self.damaged += zip(lost["user_id"].to_pylist(), lost["message_id"].to_pylist(), strict=True)

    def _rebase(self) -> None:
        bases = pa.array([base or 0 for base in self.bases], pa.int64())
        moved = pc.add(self.rows["frame_offset"], bases.take(self.rows["source"].combine_chunks()))
        self.rows = _with(self.rows, "frame_offset", moved)

    def _repack(self, small: list[int]) -> Iterator[bytes]:
        mask = pc.is_in(self.rows["source"], pa.array(small, pa.int32())).combine_chunks()
        rows = self.rows.filter(mask)
        writer = RawWriter(self._config.frame_bytes, self._config.zstd_level, self._offset)
        frames = _Frames(self._blobs)
        places: list[tuple[int, int, int] | None] = []
        spoilt: dict[tuple[int, int], int] = {}  # (source, offset) of a damaged frame -> its bytes in the file
        for row in rows.to_pylist():
            source = self._sources[row["source"]]
            raw = frames.message(source, row)
            places.append(None)
            if raw is None:
                spoilt[row["source"], row["frame_offset"]] = row["frame_bytes"]
                self.damaged.append((row["user_id"], row["message_id"]))
            else:
                places[-1] = (0, 0, 0)
                writer.add(row["user_id"], row["message_id"], raw, row["sha256"])
                yield from writer.drain()
        writer.flush()
        yield from writer.drain()
        self._offset = writer.offset
        moved: dict[tuple[int, int], int] = {}
        for (number, offset), frame_bytes in spoilt.items():
            moved[number, offset] = self._offset
            with blaming(self._sources[number].name):
                yield self._blobs.read(self._sources[number].raw_name, offset, frame_bytes)
            self._offset += frame_bytes
        written = iter(writer.locations)
        for position, row in enumerate(rows.select(["source", *_PLACE]).to_pylist()):
            if places[position] is None:
                place = moved[row["source"], row["frame_offset"]], row["frame_bytes"], row["raw_offset"]
            else:
                location = next(written)
                place = location.frame_offset, location.frame_bytes, location.raw_offset
            places[position] = place
        for index, column in enumerate(_PLACE):
            kind = self.rows.schema.field(column).type
            values = pa.array([place[index] for place in places if place], kind)
            self.rows = _with(self.rows, column, pc.replace_with_mask(self.rows[column].combine_chunks(), mask, values))


class _Frames:
    """Cache of decompressed frames of small segments: the most recent ones."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs
        self._kept: LRUCache[tuple[str, int], bytes | None] = LRUCache(
            _CACHE_BYTES, getsizeof=lambda frame: len(frame or b"")
        )

    def message(self, source: MergeSource, row: dict[str, int | bytes]) -> bytes | None:
        """The exact bytes of a message; None when its frame is damaged or its SHA-256 differs."""
        offset, frame_bytes, start, size = (
            int(row[name]) for name in ("frame_offset", "frame_bytes", "raw_offset", "size_bytes")
        )
        data = self._frame(source, offset, frame_bytes)
        raw = None if data is None else data[start : start + size]
        return raw if raw is not None and hashlib.sha256(raw).digest() == row["sha256"] else None

    def _frame(self, source: MergeSource, offset: int, frame_bytes: int) -> bytes | None:
        key = source.name, offset
        if key in self._kept:
            return self._kept[key]
        with blaming(source.name):
            packed = self._blobs.read(source.raw_name, offset, frame_bytes)
        try:
            data: bytes | None = open_frame(source.raw_name, packed, offset)
        except FileDamaged:
            data = None
        if len(data or b"") <= self._kept.maxsize:
            self._kept[key] = data
        return data


def _runs(source: MergeSource) -> Iterator[tuple[int, int, list[tuple[int, int, int]]]]:
    """The frames of a raw file as ranges (start, end, frames); no frame spans two ranges."""
    start = 0
    run: list[tuple[int, int, int]] = []
    for frame in source.frames():
        end = frame[0]
        if run and frame[0] + frame[1] - start > _READ_BYTES:
            yield start, end, run
            start, run = end, []
        run.append(frame)
    yield start, source.frames_end, run


def _is_sound(name: str, frame: memoryview, offset: int, mail_bytes: int) -> bool:
    try:
        return len(open_frame(name, frame, offset)) >= mail_bytes
    except FileDamaged:
        return False


def _with(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
