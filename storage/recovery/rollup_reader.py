"""Reads a shard's roll-ups (storage/recovery/rollup_writer.py), oldest first. Reports damaged ones by name.

A roll-up may come from somebody else: its members, their sizes and their columns are checked before they are read.
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.file_format import NEWEST
from storage.recovery.rollup_writer import ADDED_COLUMNS, TABLES
from storage.segments.file_names import ROLLUP_SUFFIX
from storage.segments.writer import epoch_of

_ROWS = 20_000
_MANIFEST = "manifest.json"
_MOST_MANIFEST_BYTES = 64 << 10
#: Bytes of a row group before compression: the writer's have some 20,000 rows of less than 1 KB.
_MOST_GROUP_BYTES = 512 << 20
#: Values of a column in a row group: labels are the only lists, and few messages carry hundreds.
_VALUES_PER_ROW, _MOST_VALUES = 512, 100_000
#: Bytes of the texts of a batch.
_MOST_TEXT_BYTES = 128 << 20
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError),  # RuntimeError: an encrypted member
    *(ValueError, KeyError, TypeError, AttributeError, pa.ArrowException),
    MemoryError,  # a list of members without end
)


@dataclass(frozen=True, slots=True)
class Rolled:
    """A roll-up whose CRC-32s were verified."""

    name: str
    path: Path
    epoch: int
    number: int
    event_id: int
    changed_from: datetime
    made_at: str

    def table(self, name: str) -> pa.Table:
        """One of the small tables."""
        return pa.Table.from_batches(list(self.batches(name)), schema=self._schema(name))

    def batches(self, name: str) -> Iterator[pa.RecordBatch]:
        """A large table, in batches."""
        with zipfile.ZipFile(self.path) as archive:
            yield from _batches(archive, name)

    def _schema(self, name: str) -> pa.Schema:
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.parquet") as member:
            return pq.ParquetFile(member).schema_arrow


def rolled_of(blobs: LocalBlobs, shard_id: int) -> tuple[list[Rolled], list[tuple[str, str]]]:
    """A shard's roll-ups in the order in which they were written, and (file, reason) of unreadable ones."""
    readable, damaged = [], []
    for blob in blobs.list(f"{shard_id:04d}"):
        name = blob.name.removesuffix(ROLLUP_SUFFIX)
        if name == blob.name:
            continue
        try:
            epoch_of(name)
            readable.append(_open(name, Path(blobs.location(blob.name))))
        except _UNREADABLE as exc:
            damaged.append((blob.name, _first_line(exc)))
    return sorted(readable, key=lambda rolled: (rolled.epoch, rolled.number, rolled.made_at)), damaged


def require_sound(name: str, path: Path) -> None:
    """Check everything that a roll-up tells of itself. `name`: whole, for the error.

    Raises:
        FileDamaged.
    """
    try:
        rolled = _open(name.removesuffix(ROLLUP_SUFFIX), path)
        for table in TABLES:
            for _ in rolled.batches(table):  # Parquet's own structure, which the ZIP archive's CRC-32 does not know
                pass
    except _UNREADABLE as exc:
        raise FileDamaged(name, _first_line(exc)) from exc


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0][:200]


def _open(name: str, path: Path) -> Rolled:
    with zipfile.ZipFile(path) as archive:
        _require_members(archive, path.stat().st_size)
        if (broken := archive.testzip()) is not None:
            raise ValueError(f"{broken} in it is damaged")
        document = orjson.loads(archive.read(_MANIFEST))
        numbers = [document[key] for key in ("version", "epoch", "number", "event_id")]
        if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers):
            raise ValueError("its manifest contains an impossible number")
        if document["version"] > NEWEST["rollup"]:
            raise ValueError(f"its version {document['version']} is unknown to this release")
        for table, schema in TABLES.items():
            _require_table(archive, table, schema)
            for _ in _batches(archive, table):
                pass  # reading checks
    changed_from, made_at = datetime.fromisoformat(document["changed_from"]), document["made_at"]
    datetime.fromisoformat(made_at)
    if changed_from.tzinfo is None:
        raise ValueError("its manifest contains a time without a zone")
    return Rolled(name, path, document["epoch"], document["number"], document["event_id"], changed_from, made_at)


def _require_members(archive: zipfile.ZipFile, stored_bytes: int) -> None:
    """The ZIP archive contains each file of a roll-up once, uncompressed, so it inflates to no more than its size."""
    members = archive.infolist()
    if sorted(member.filename for member in members) != sorted([_MANIFEST, *(f"{name}.parquet" for name in TABLES)]):
        raise ValueError("its files are not those of a roll-up")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise ValueError(f"{member.filename} in it is compressed")
    if sum(member.file_size for member in members) > stored_bytes:
        raise ValueError("its files are larger than it is")
    if archive.getinfo(_MANIFEST).file_size > _MOST_MANIFEST_BYTES:
        raise ValueError("its manifest is too large")


def _require_table(archive: zipfile.ZipFile, name: str, schema: pa.Schema) -> None:
    with archive.open(f"{name}.parquet") as member:
        parquet = pq.ParquetFile(member)
        added = ADDED_COLUMNS.get(name, {})
        expected = [field for field in schema if field.name not in added or field.name in parquet.schema_arrow.names]
        if list(parquet.schema_arrow) != expected:
            raise ValueError(f"{name}.parquet in it has other columns")
        for group in (parquet.metadata.row_group(number) for number in range(parquet.num_row_groups)):
            values = max((group.column(number).num_values for number in range(group.num_columns)), default=0)
            most = _MOST_VALUES + _VALUES_PER_ROW * group.num_rows
            if not (0 <= group.total_byte_size <= _MOST_GROUP_BYTES and 0 <= values <= most):
                raise ValueError(f"{name}.parquet in it declares an impossible size")


def _batches(archive: zipfile.ZipFile, name: str) -> Iterator[pa.RecordBatch]:
    """A table in batches. A text that repeats stays one text until it is known how much all of them take.

    Raises:
        ValueError: the texts of a batch take more than any batch's do.
    """
    with archive.open(f"{name}.parquet") as member:
        there = pq.ParquetFile(member).schema_arrow.names  # an earlier release wrote fewer columns
    fields = [field for field in TABLES[name] if field.name in there]
    texts = [f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name for field in fields]
    with archive.open(f"{name}.parquet") as member:
        for batch in pq.ParquetFile(member, read_dictionary=texts).iter_batches(_ROWS):
            if sum(map(_text_bytes, batch.columns)) > _MOST_TEXT_BYTES:
                raise ValueError(f"{name}.parquet in it inflates to more than a table does")
            columns = [
                column.cast(TABLES[name].field(at).type)
                for at, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            yield pa.record_batch(columns, names=batch.schema.names)


def _text_bytes(column: pa.Array) -> int:
    if pa.types.is_list(column.type):
        column = column.flatten()
    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0)
