"""Records a segment, its users' shares, its analysis and the digests of its files, inside a caller's transaction."""

import orjson
from sqlalchemy import Connection

from storage.catalog.file_digests import record_digests
from storage.db.sql_files import query
from storage.model.records import AnalysisManifest, FileDigest, SegmentManifest


def record_segment(connection: Connection, segment: SegmentManifest) -> int | None:
    """Record a segment and its users' shares; return its id, or None when it is already recorded."""
    values = {
        name: getattr(segment, name)
        for name in (
            *("name", "shard_id", "epoch", "messages", "size_bytes"),
            *("raw_bytes", "parquet_bytes", "words_bytes", "defective"),
        )
    }
    segment_id: int | None = connection.execute(query("segment_insert"), values).scalar()
    if segment_id is None:
        return None
    record_digests(connection, segment.shard_id, segment.digests)
    if segment.analysis is not None:
        record_analysis(connection, segment.shard_id, segment_id, segment.analysis)
    users = segment.users
    connection.execute(
        query("segment_users_insert"),
        {
            "segment_id": segment_id,
            "user_ids": [user.user_id for user in users],
            "messages": [user.messages for user in users],
            "size_bytes": [user.size_bytes for user in users],
            "first_at": [user.first_at for user in users],
            "last_at": [user.last_at for user in users],
        },
    )
    return segment_id


def record_analysis(connection: Connection, shard_id: int, segment_id: int, analysis: AnalysisManifest) -> None:
    """Record the analysis file of a segment that has none."""
    values = {
        "name": analysis.name,
        "segment_id": segment_id,
        "versions": orjson.dumps(dict(analysis.versions)).decode(),
        "size_bytes": analysis.size_bytes,
    }
    connection.execute(query("analysis_insert"), values)
    if analysis.sha256 is not None:
        record_digests(connection, shard_id, [FileDigest(analysis.name, analysis.size_bytes, analysis.sha256)])
