"""The file of a split: the files of a tantivy index, each in a checksummed zstd frame, with a table of contents.

    zstd frame, zstd frame, ...            the index's files, one frame each
    skippable frame ...                    summaries of the messages (summaries.py); a split may have none
    skippable frame                        the table: JSON, zstd-compressed:
                                           {"files": [{"name", "offset", "stored_bytes", "size_bytes"}, ...],
                                            "summaries": {"offset", "stored_bytes"} of their head}
    skippable frame, 16 bytes of payload   the table frame's offset (u64, little endian) and "GBMSPL01"

Skippable frames are as in the raw file (storage/files/raw_file.py). Every checksum is verified before use.
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
import zstandard

from storage.errors import BackupError
from storage.files.blobs import FileDamaged
from storage.files.file_format import magic, number_of_magic, require_known
from storage.fulltext.summaries import Summaries, SummaryWriter

#: Higher zstd levels save 1% of an index and take three times as long.
_LEVEL = 1
_SKIPPABLE = 0x184D2A5B  # RFC 8878 allows 0x184D2A50 to ..5F
_HEADER = struct.Struct("<II")
_FOOTER = struct.Struct("<Q8s")
_PREFIX = b"GBMSPL"
_TAIL = _HEADER.size + _FOOTER.size

#: Files that are unpacked at a time: two cores halve the time of the first search.
_UNPACKED_AT_ONCE = 2

#: The file that every index has: the list of its parts.
META = "meta.json"
_NAME = re.compile(r"[0-9a-f]{32}\.[a-z]{2,12}|meta\.json")
#: Limits of a split's table: a tantivy index has eight files per part.
_MOST_FILES = 8192
_MOST_TABLE_BYTES = 4 << 20
_MOST_FILE_BYTES = 4 << 30
_MOST_BYTES = 16 << 30
#: Of the list of parts, which is read as a whole.
_MOST_META_BYTES = 64 << 20
#: A file is unpacked in pieces of this size, and zstd keeps at most a window of it, so memory is bounded whatever it
#: inflates to. In the index of 12,000 newsletters that differ in a word, postings are 388 to 1,230 times smaller when
#: they are compressed.
_PIECE_BYTES = 1 << 20
_MOST_WINDOW_BYTES = 32 << 20


class SplitTooLarge(BackupError):
    """A split declares more bytes than may be unpacked here. Allow more, or search without the word index."""

    def __init__(self, name: str, size_bytes: int, most_bytes: int) -> None:
        super().__init__(name, size_bytes, most_bytes)
        self.name, self.size_bytes, self.most_bytes = name, size_bytes, most_bytes

    def __str__(self) -> str:
        return (
            f"The word index {self.name} declares {self.size_bytes:,} bytes, and at most {self.most_bytes:,} may be "
            "unpacked: raise GBM_ARCHIVE__INDEX_CACHE_BYTES if the archive is your own."
        )


Read = Callable[[int, int], bytes]
"""Returns `size` bytes from `offset` of a file; raises FileDamaged when the file ends before that."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Position of one file of the index."""

    name: str
    offset: int
    stored_bytes: int
    size_bytes: int


def pack(folder: Path, names: Sequence[str], messages: Iterable[pa.Table] = ()) -> Iterator[bytes]:
    """Pack these files of a folder into a split, in chunks.

    Args:
        messages: tables of which summaries are packed as well (`summaries.NEEDED`), in the order of the segment.
    """
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
    entries: list[Mapping[str, object]] = []
    offset = 0
    for name in names:
        data = (folder / name).read_bytes()
        frame = compressor.compress(data)
        entries.append({"name": name, "offset": offset, "stored_bytes": len(frame), "size_bytes": len(data)})
        offset += len(frame)
        yield frame
    contents: dict[str, object] = {"files": entries}
    summaries, is_empty = SummaryWriter(), True
    for messages_table in messages:
        if messages_table.num_rows:
            chunk = _skippable(summaries.add(messages_table, offset + _HEADER.size))
            offset, is_empty = offset + len(chunk), False
            yield chunk
    if not is_empty:
        chunk = _skippable(summaries.last(offset + _HEADER.size))
        ids, head = summaries.index(offset + len(chunk) + _HEADER.size)
        chunk += _skippable(ids)
        contents["summaries"] = {"offset": offset + len(chunk) + _HEADER.size, "stored_bytes": len(head)}
        chunk += _skippable(head)
        offset += len(chunk)
        yield chunk
    table = compressor.compress(orjson.dumps(contents))
    yield _skippable(table)
    yield _HEADER.pack(_SKIPPABLE, _FOOTER.size) + _FOOTER.pack(offset, magic("split", _PREFIX))


def _skippable(content: bytes) -> bytes:
    return _HEADER.pack(_SKIPPABLE, len(content)) + content


def unpack(name: str, size_bytes: int, read: Read, folder: Path, most_bytes: int = _MOST_BYTES) -> int:
    """Unpack a split into a folder; return the size of its files in bytes.

    Args:
        name: the split's name, for the error.
        most_bytes: that its files may take.

    Raises:
        FileDamaged: the split is corrupt; the folder is incomplete.
        SplitTooLarge: nothing was unpacked.
    """
    # The largest files first: zstd and the file system release the interpreter's lock.
    entries = sorted(read_table(name, size_bytes, read), key=lambda entry: entry.size_bytes, reverse=True)
    if (declared := sum(entry.size_bytes for entry in entries)) > most_bytes:
        raise SplitTooLarge(name, declared, most_bytes)

    def write(entry: Entry) -> int:
        with (folder / entry.name).open("wb") as sink:
            return sum(map(sink.write, _file(name, entry, read)))

    with ThreadPoolExecutor(_UNPACKED_AT_ONCE) as threads:
        return sum(threads.map(write, entries))


def check(name: str, size_bytes: int, read: Read) -> None:
    """Verify every byte of a split; raise FileDamaged if it is corrupt."""
    for entry in read_table(name, size_bytes, read):
        for _ in _file(name, entry, read):
            pass  # reading verifies


def read_table(name: str, size_bytes: int, read: Read) -> list[Entry]:
    """The files in a split.

    Raises:
        FileDamaged.
    """
    return _contents(name, size_bytes, read)[0]


def read_summaries(name: str, size_bytes: int, read: Read) -> Summaries | None:
    """The summaries in a split; None: it has none.

    Raises:
        FileDamaged.
    """
    head = _contents(name, size_bytes, read)[1]
    return None if head is None else Summaries(name, read(*head))


def _contents(name: str, size_bytes: int, read: Read) -> tuple[list[Entry], tuple[int, int] | None]:
    """The files, and offset and bytes of the summaries' head."""
    if size_bytes < _TAIL + _HEADER.size:
        raise FileDamaged(name, "it is too short")
    offset, ending = _FOOTER.unpack(read(size_bytes - _FOOTER.size, _FOOTER.size))
    number = number_of_magic(ending, _PREFIX)
    if number is None or offset > size_bytes - _TAIL - _HEADER.size:
        raise FileDamaged(name, "it does not end as a split does")
    require_known(name, "split", number)
    kind, length = _HEADER.unpack(read(offset, _HEADER.size))
    if kind != _SKIPPABLE or offset + _HEADER.size + length + _TAIL != size_bytes:
        raise FileDamaged(name, "its table is not where its footer says")
    try:
        table = orjson.loads(_decompress(read(offset + _HEADER.size, length), _MOST_TABLE_BYTES))
        entries = [
            Entry(str(row["name"]), int(row["offset"]), int(row["stored_bytes"]), int(row["size_bytes"]))
            for row in table["files"]
        ]
        summaries = table.get("summaries")
        head = None if summaries is None else (int(summaries["offset"]), int(summaries["stored_bytes"]))
    except (zstandard.ZstdError, ValueError, KeyError, TypeError) as exc:
        raise FileDamaged(name, "its table cannot be read") from exc
    _believe(name, entries, offset)
    if head is not None and not 0 <= head[0] <= head[0] + head[1] <= offset:
        raise FileDamaged(name, "its table lists invalid summaries")
    return entries, head


def _believe(name: str, entries: Sequence[Entry], end: int) -> None:
    names = {entry.name for entry in entries}
    if len(entries) > _MOST_FILES or len(names) != len(entries) or META not in names:
        raise FileDamaged(name, f"its table lists too many files, a file twice, or no {META}")
    if sum(entry.size_bytes for entry in entries) > _MOST_BYTES:
        raise FileDamaged(name, "its table declares an impossible size")
    for entry in entries:
        inside = entry.offset >= 0 and entry.stored_bytes > 0 and entry.offset + entry.stored_bytes <= end
        most_bytes = _MOST_META_BYTES if entry.name == META else _MOST_FILE_BYTES
        if not _NAME.fullmatch(entry.name) or not inside or not 0 <= entry.size_bytes <= most_bytes:
            raise FileDamaged(name, "its table lists an invalid file name or position")


def _file(name: str, entry: Entry, read: Read) -> Iterator[bytes]:
    """The content of a file, in pieces; it ends behind the first piece that exceeds the declared size."""
    frame, found_bytes = read(entry.offset, entry.stored_bytes), 0
    try:
        if zstandard.frame_content_size(frame) != entry.size_bytes:
            raise FileDamaged(name, f"its file {entry.name} has another size")
        reader = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES).stream_reader(frame)
        while found_bytes <= entry.size_bytes and (piece := reader.read(_PIECE_BYTES)):
            found_bytes += len(piece)
            yield piece
    except (zstandard.ZstdError, ValueError) as exc:
        raise FileDamaged(name, f"its file {entry.name} does not decompress") from exc
    if found_bytes != entry.size_bytes:
        raise FileDamaged(name, f"its file {entry.name} has another size")


def _decompress(frame: bytes, most_bytes: int) -> bytes:
    if not 0 <= zstandard.frame_content_size(frame) <= most_bytes:
        raise ValueError("an impossible size")
    return zstandard.ZstdDecompressor().decompress(frame)
