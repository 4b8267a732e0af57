"""Reads a shard's roll-ups (storage/recovery/rollup_writer.py), oldest first. Reports damaged ones by name."""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from storage.files.blobs import LocalBlobs
from storage.files.file_format import NEWEST
from storage.segments.file_names import ROLLUP_SUFFIX
from storage.segments.writer import epoch_of

_ROWS = 20_000


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
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.parquet") as member:
            yield from pq.ParquetFile(member).iter_batches(_ROWS)

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
        except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, OSError, EOFError) as exc:
            damaged.append((blob.name, (str(exc).splitlines() or [type(exc).__name__])[0][:200]))
    return sorted(readable, key=lambda rolled: (rolled.epoch, rolled.number, rolled.made_at)), damaged


def _open(name: str, path: Path) -> Rolled:
    with zipfile.ZipFile(path) as archive:
        if (broken := archive.testzip()) is not None:
            raise ValueError(f"{broken} in it is damaged")
        document = orjson.loads(archive.read("manifest.json"))
    if document["version"] > NEWEST["rollup"]:
        raise ValueError(f"its version {document['version']} is unknown to this release")
    return Rolled(
        name,
        path,
        document["epoch"],
        document["number"],
        document["event_id"],
        datetime.fromisoformat(document["changed_from"]),
        document["made_at"],
    )
