"""Mail with results of analysers, made and read by tests."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.catalog.compaction import Compactions
from storage.mailbox.analysis_reader import Analyses
from storage.model.records import AnalysisManifest, Merged
from storage.segments import analysis_file
from storage.segments.file_names import PARQUET_SUFFIX
from storage.segments.merge.merge import merge
from tests.integration.storage.factory import NOON, Mail, Shard
from tests.integration.storage.recovery.test_rebuild import World, world  # noqa: F401 - a fixture


def column(name: str, version: int, **fields: Sequence[Any]) -> pa.Table:
    """What one analyser says; None in every field: nothing of this message."""
    rows = [
        {"version": version, "error": None, **dict(zip(fields, row, strict=True))}
        for row in zip(*fields.values(), strict=True)
    ]
    kind = pa.struct(
        [
            pa.field("version", pa.int16(), nullable=False),
            pa.field("error", pa.string()),
            *((field, pa.array(values).type) for field, values in fields.items()),
        ]
    )
    return pa.table({name: pa.array(rows, kind)})


def mails(*numbers: int) -> list[Mail]:
    return [Mail(n, subject=f"Mail {n}", received_at=NOON + timedelta(hours=n)) for n in numbers]


def reading(shard: Shard, user_id: int) -> Analyses:
    return Analyses(user_id, shard.engine, shard.blobs)


def said(shard: Shard, user_id: int, *numbers: int) -> list[Any]:
    """What the analyser said of messages."""
    found = [reading(shard, user_id).of(number) for number in numbers]
    return [one["echo"]["said"] if one and "echo" in one else None for one in found]


def again(shard: Shard, segment: str, said_of: Callable[[int], pa.Table], epoch: int | None = None) -> AnalysisManifest:
    """Write another analysis of a segment; nothing is committed."""
    with pq.ParquetFile(shard.root / (segment + PARQUET_SUFFIX)) as parquet:
        keys = parquet.read(columns=["user_id", "message_id"])
    return analysis_file.write(
        shard.blobs, 3, segment, epoch or shard.lease.epoch, keys, said_of(keys.num_rows), [keys.num_rows]
    )


def current(shard: Shard, segment: str) -> str | None:
    [found] = [one for one in shard.catalog.analysed(shard.shard_id) if one.name == segment]
    return found.analysis


def compact(shard: Shard) -> Merged:
    live = Compactions(shard.engine).live(shard.shard_id)
    analyses = {segment.name: segment.analysis for segment in live if segment.analysis}
    epoch = shard.lease.epoch
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, epoch, [one.name for one in live], analyses)
    assert Compactions(shard.engine).commit(shard.lease, merged, moved)
    return merged


def files(shard: Shard) -> list[str]:
    return sorted(file.name for file in shard.blobs.list(f"{shard.shard_id:04d}") if analysis_file.origin(file.name))


def spoil(path: Path, damage: str) -> None:
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
        return
    data[40:60] = bytes(20)
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
