"""Imports segments into the catalog from their files alone; the index then contains each message exactly once.

For segments that the catalog lacks after a rebuild (storage/recovery/rebuild.py) or the restore of an older backup. A
segment whose messages all are in other segments was merged: it is recorded as retired, and garbage collection deletes
it. A segment that shares some messages replaces every segment that it contains completely; otherwise the messages that
only it has are copied into a new segment. A damaged file is recorded and kept for ever. No other process may write to
the shard meanwhile.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine

from storage.catalog.catalog import Catalog
from storage.catalog.index_copy import copy_index
from storage.catalog.segment_records import record_analysis, record_segment
from storage.config import ArchiveConfig
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.files.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.files.raw_file import open_frame
from storage.model.records import AnalysedSegment, AnalysisManifest, SegmentManifest
from storage.model.schemas import FETCHED, INDEX, MESSAGES
from storage.segments import analysis_file as analyses
from storage.segments import writer as segments
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX, SPLIT_SUFFIX
from storage.segments.merge.sources import MergeSource, Unmergeable, blaming, open_parquet, open_source
from storage.segments.writer import epoch_of, users_of

_LOG = logging.getLogger(__name__)
_ROWS = 20_000
_PLACE = ["user_id", "message_id", "frame_offset", "frame_bytes", "raw_offset"]


@dataclass(frozen=True, slots=True)
class Known:
    """A segment's row in a roll-up."""

    created_at: datetime
    excluded: str | None


@dataclass(slots=True)
class Adopted:
    """Result of an import. damaged: (file or message, reason); missing: segments whose files do not exist."""

    segments: int = 0
    messages: int = 0
    retired: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class SegmentImport:
    """Imports the segments of one shard, each in one transaction."""

    def __init__(
        self, engine: Engine, blobs: LocalBlobs, config: ArchiveConfig, shard_id: int, known: dict[str, Known]
    ) -> None:
        self._engine, self._blobs, self._config, self._shard_id = engine, blobs, config, shard_id
        self._known = known
        self._lost: set[int] = set()  # segments of the catalog whose files do not exist
        self._left: Counter[int] = Counter()  # messages moved out of such a segment
        self.done = Adopted()
        self.epoch = 0  # the highest epoch in a file name

    def waiting(self) -> list[str]:
        """The segments to import, in order: those of the last roll-up first, then the largest."""
        names, rows = set(), {}
        for blob in self._blobs.list(f"{self._shard_id:04d}"):
            name, _, ending = blob.name.partition(".")
            try:
                self.epoch = max(self.epoch, epoch_of(name))
            except ValueError:
                continue
            if f".{ending}" in (RAW_SUFFIX, PARQUET_SUFFIX, SPLIT_SUFFIX):
                names.add(name)
        with transaction(self._engine) as connection:
            values = {"shard_id": self._shard_id}
            connection.execute(query("adopt_again"), values)
            live = {row.segment_id: row.name for row in connection.execute(query("adopt_missing"), values)}
            recorded = set(connection.execute(query("segment_names"), values).scalars())
        for segment_id, name in live.items():
            if not self._is_there(name):
                self._lost.add(segment_id)
                self.done.missing.append(name)
        for name in names - recorded:
            try:
                with blaming(name), open_parquet(self._blobs, name) as parquet:
                    rows[name] = parquet.metadata.num_rows
            except Unmergeable as exc:
                self._keep(name, exc.reason)
        return sorted(rows, key=lambda name: (name not in self._known, -rows[name], name))

    def _is_there(self, name: str) -> bool:
        try:
            return bool(self._blobs.size(name + RAW_SUFFIX) and self._blobs.size(name + PARQUET_SUFFIX))
        except FileMissing:
            return False

    def finish(self) -> None:
        """After the import: record the analyses, and report missing segments."""
        self._analyses()
        vacated = {name for name in self.done.missing if self._vacated(name)}
        self.done.missing = sorted(set(self.done.missing) - vacated)

    def _vacated(self, name: str) -> bool:
        with transaction(self._engine) as connection:
            live = connection.execute(query("adopt_missing"), {"shard_id": self._shard_id})
            return name not in {row.name for row in live}

    def open(self) -> None:
        """Let owners start, at an epoch after every file's, so that the files count as an earlier owner's."""
        with transaction(self._engine) as connection:
            connection.execute(query("adopt_lease"), {"shard_id": self._shard_id, "epoch": self.epoch})

    def take(self, name: str) -> None:
        """Import one segment."""
        try:
            source = open_source(self._blobs, name)
            with blaming(name), open_parquet(self._blobs, name) as parquet:
                index = parquet.read(columns=INDEX.names, use_threads=False).select(INDEX.names)
        except Unmergeable as exc:
            self._keep(name, exc.reason)
            return
        with transaction(self._engine) as connection:
            places = self._places(connection, index)
            new = pa.array([place is None or place[0] in self._lost for place in places], pa.bool_())
            elsewhere = Counter(place for place in places if place is not None and place[0] not in self._lost)
            whole = all(count == messages for (_, messages), count in elsewhere.items())
            if not pc.any(new).as_py():
                self._retire(connection, name, None)
                self.done.retired += 1
                return
            if whole:
                self._adopt(connection, self._manifest(source, index), index, places)
                return
        self._carve(name, new)

    def _analyses(self) -> None:
        """Record the newest intact analysis of every segment, committed or not: an orphan is valid as well."""
        there = analyses.newest(self._blobs, self._shard_id)
        for recorded in Catalog(self._engine).analysed(self._shard_id):
            names = there.get(recorded.name, [])
            if recorded.analysis == (names[0] if names else None):
                continue
            manifest = self._newest_whole(recorded, names)
            with transaction(self._engine) as connection:
                values = {"shard_id": self._shard_id, "names": [recorded.name]}
                segment_id = connection.execute(query("segments_locked"), values).one().segment_id
                connection.execute(query("analyses_retire"), {"segment_ids": [segment_id]})
                if manifest is not None:
                    connection.execute(query("analysis_again"), {"name": manifest.name})
                    record_analysis(connection, self._shard_id, segment_id, manifest)

    def _newest_whole(self, segment: AnalysedSegment, names: Sequence[str]) -> AnalysisManifest | None:
        if not names:
            return None
        try:
            with blaming(segment.name), open_parquet(self._blobs, segment.name) as parquet:
                keys = parquet.read(columns=analyses.KEYS.names, use_threads=False)
        except Unmergeable as exc:
            _LOG.error("The analysis of a segment is skipped: %s", exc)
            return None
        for name in names:
            try:
                return analyses.manifest_of(self._blobs, name, keys)
            except FileDamaged as exc:
                _LOG.error("An analysis of the segment %s is skipped: %s", segment.name, exc)
        return None

    # ---- helpers

    def _places(self, connection: Connection, index: pa.Table) -> list[tuple[int, int] | None]:
        """(segment, number of its messages) of each message in the index; None: not in the index."""
        places: dict[tuple[int, int], tuple[int, int]] = {}
        users, ids = index["user_id"].to_pylist(), index["message_id"].to_pylist()
        by_user: dict[int, list[int]] = {}
        for user_id, message_id in zip(users, ids, strict=True):
            by_user.setdefault(user_id, []).append(message_id)
        for user_id, wanted in by_user.items():
            for start in range(0, len(wanted), _ROWS):
                values = {"user_id": user_id, "message_ids": wanted[start : start + _ROWS]}
                for message_id, segment_id, messages in connection.execute(query("adopt_known"), values):
                    places[user_id, message_id] = (segment_id, messages)
        return [places.get(key) for key in zip(users, ids, strict=True)]

    def _manifest(self, source: MergeSource, index: pa.Table) -> SegmentManifest:
        name = source.name
        try:
            words: int | None = self._blobs.size(name + SPLIT_SUFFIX)
        except FileMissing:
            words = None
        return SegmentManifest(
            name=name,
            shard_id=self._shard_id,
            epoch=epoch_of(name),
            messages=index.num_rows,
            size_bytes=source.size_bytes,
            raw_bytes=self._blobs.size(name + RAW_SUFFIX),
            parquet_bytes=self._blobs.size(name + PARQUET_SUFFIX),
            defective=source.defective,
            users=users_of(index),
            words_bytes=words,
        )

    def _adopt(
        self,
        connection: Connection,
        manifest: SegmentManifest,
        index: pa.Table,
        places: list[tuple[int, int] | None],
    ) -> None:
        segment_id = record_segment(connection, manifest)
        assert segment_id is not None, "the segment is already in the catalog"
        known = self._known.get(manifest.name) or Known(self._modified_at(manifest.name), None)
        values = {"segment_id": segment_id, "created_at": known.created_at, "excluded": known.excluded}
        connection.execute(query("adopt_note"), values)
        fresh = pa.array([place is None for place in places], pa.bool_())
        added = index.filter(fresh)
        copy_index(connection, added, segment_id, known.created_at)
        moved = index.filter(pc.invert(fresh)).select(_PLACE)
        for start in range(0, moved.num_rows, _ROWS):
            columns = moved.slice(start, _ROWS).to_pydict()
            values = {("frame_bytes" if key == "frame_bytes" else f"{key}s"): row for key, row in columns.items()}
            connection.execute(query("messages_move"), {**values, "segment_id": segment_id})
        left = Counter(place for place in places if place is not None)
        for (old, messages), count in left.items():
            self._left[old] += count
            if self._left[old] == messages:
                connection.execute(query("segment_users_retire"), {"part_ids": [old]})
                connection.execute(query("segments_vacate"), {"part_ids": [old]})
                self._lost.discard(old)
        self.done.segments += 1
        self.done.messages += added.num_rows

    def _modified_at(self, name: str) -> datetime:
        folder = name.partition("/")[0]
        times = [blob.modified_at for blob in self._blobs.list(folder) if blob.name == name + RAW_SUFFIX]
        return datetime.fromtimestamp(times[0], UTC) if times else datetime.now(UTC)

    def _keep(self, name: str, reason: str) -> None:
        with transaction(self._engine) as connection:
            self._retire(connection, name, reason)
        self.done.damaged.append((name, reason))

    def _retire(self, connection: Connection, name: str, reason: str | None) -> None:
        values = {"name": name, "shard_id": self._shard_id, "epoch": epoch_of(name), "reason": reason}
        connection.execute(query("adopt_keep"), {**values, "for_ever": reason is not None})

    def _carve(self, name: str, wanted: pa.Array) -> None:
        """Copy the messages that only this segment has into new segments."""
        damaged = []
        try:
            with blaming(name), open_parquet(self._blobs, name) as parquet:
                rows = parquet.read(use_threads=False).filter(wanted)
        except Unmergeable as exc:
            self._keep(name, exc.reason)
            return
        for part in _parts(rows, self._config):
            raws = [self._raw(name, row) for row in part.select([*_PLACE, "size_bytes", "sha256"]).to_pylist()]
            damaged += [row for row, raw in zip(part["message_id"].to_pylist(), raws, strict=True) if raw is None]
            intact = part.filter(pa.array([raw is not None for raw in raws], pa.bool_()))
            if intact.num_rows:
                self._write(intact, [raw for raw in raws if raw is not None])
        reason = f"{len(damaged)} of its messages are damaged" if damaged else None
        if reason:
            self._keep(name, reason)
            return
        with transaction(self._engine) as connection:
            self._retire(connection, name, None)
        self.done.retired += 1

    def _raw(self, name: str, row: dict[str, Any]) -> bytes | None:
        try:
            frame = self._blobs.read(name + RAW_SUFFIX, row["frame_offset"], row["frame_bytes"])
            data = open_frame(name + RAW_SUFFIX, frame, row["frame_offset"])
        except FileDamaged:
            return None
        raw = data[row["raw_offset"] : row["raw_offset"] + row["size_bytes"]]
        return raw if sha256(raw).digest() == row["sha256"] else None

    def _write(self, rows: pa.Table, raws: list[bytes]) -> None:
        mail = [name for name in FETCHED.names if name != "raw"]
        fetched = pa.table(
            [*(rows[name] for name in mail), pa.array(raws, pa.large_binary())], schema=FETCHED.remove_metadata()
        )
        ours = {*mail, "size_bytes", "sha256", "frame_offset", "frame_bytes", "raw_offset"}
        parsed = rows.select([name for name in MESSAGES.names if name not in ours])
        manifest, index = segments.write(self._blobs, self._config, self._shard_id, max(self.epoch, 1), fetched, parsed)
        with transaction(self._engine) as connection:
            self._adopt(connection, manifest, index, self._places(connection, index))


def _parts(rows: pa.Table, config: ArchiveConfig) -> Iterator[pa.Table]:
    """Split rows into parts of a segment's usual size."""
    start = size = 0
    for row, size_bytes in enumerate(rows["size_bytes"].to_pylist()):
        size += size_bytes
        if size >= config.segment_bytes or row + 1 - start >= config.segment_messages:
            yield rows.slice(start, row + 1 - start)
            start, size = row + 1, 0
    if start < rows.num_rows:
        yield rows.slice(start)
