"""Exports the archive as Apache Iceberg tables over the archive's own Parquet files; no mail is copied.

The result is a folder with `catalog.db` (a SQLite catalog) and three tables. `gbm.mail`: the archive's files, whose
`labels` are those of the fetch. `gbm.states`: the state of every message as of the export. `gbm.events`: all label
changes and deletions. `view.sql` defines views for DuckDB without Iceberg: `mail` with the labels as of the export,
`mail_at(TIME)` with the labels as of an earlier time, computed from the events.

The tables contain absolute paths, so the folder cannot be moved. Export again, which takes seconds, after new mail
arrived or the archive was compacted.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine

from jobs.exporting.destination import create_private, in_place, write_manifest, write_private
from jobs.exporting.records import Damage, Report
from storage.errors import BackupError
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.fleet.snapshot import EVENTS, STATES, Snapshot, read_snapshot
from storage.model.schemas import MESSAGES
from storage.segments.file_names import PARQUET_SUFFIX

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog

_STATES = pa.schema([pa.field("mailbox", pa.string(), nullable=False), *STATES])
_VIEW = """\
-- duckdb -init {folder}/view.sql
CREATE VIEW messages AS SELECT * FROM read_parquet([{mail}], hive_partitioning = false);
CREATE VIEW states AS SELECT * FROM read_parquet([{states}], hive_partitioning = false);
CREATE VIEW events AS SELECT * FROM read_parquet([{events}], hive_partitioning = false);
-- All mail as of the export.
CREATE VIEW mail AS
SELECT states.mailbox, messages.* REPLACE (states.labels AS labels, states.thread_id AS thread_id), states.deleted_at
FROM messages
JOIN states USING (user_id, message_id);
-- All mail as of a time before the export: the labels of the fetch with the events until then; the last event per label
-- wins.
CREATE MACRO mail_at(moment) AS TABLE
SELECT
    states.mailbox,
    messages.* REPLACE (
        list_concat(
            list_filter(messages.labels, lambda label: NOT coalesce(list_contains(changed.labels, label), false)),
            list_filter(coalesce(changed.carried, []), lambda label: label <> '\\Deleted')
        ) AS labels,
        states.thread_id AS thread_id
    ),
    changed.deleted_at
FROM messages
JOIN states USING (user_id, message_id)
LEFT JOIN (
    SELECT
        user_id, message_id, list(label_id) AS labels, list(label_id) FILTER (WHERE is_on) AS carried,
        max(observed_at) FILTER (WHERE is_on AND label_id = '\\Deleted') AS deleted_at
    FROM (
        SELECT
            user_id, message_id, label_id, arg_max(is_on, history_id) AS is_on,
            arg_max(observed_at, history_id) AS observed_at
        FROM events
        WHERE observed_at <= moment
        GROUP BY user_id, message_id, label_id
    )
    GROUP BY user_id, message_id
) AS changed USING (user_id, message_id)
WHERE states.stored_at <= moment;
"""


_TABLES = {"mail": MESSAGES, "states": _STATES, "events": EVENTS}


class IcebergMissing(BackupError):
    """pyiceberg is not installed. Install it, or export Parquet."""

    def __str__(self) -> str:
        return "Iceberg tables need pyiceberg: pip install 'gmail-backup-manager[iceberg]', or choose --format parquet."


def export_iceberg(
    engines: Sequence[Engine],
    blobs: LocalBlobs,
    addresses: dict[int, str],
    path: Path,
    as_of: datetime | None = None,
    force: bool = False,
) -> Report:
    """Export every mailbox of these shard databases.

    Args:
        addresses: user id -> address.
        as_of: time of the states and end of the events; None: now.

    Returns:
        The contents of `gbm.mail`; damaged segments are skipped.

    Raises:
        IcebergMissing, DestinationTaken, DestinationUnusable, DatabaseUnreachable.
    """
    catalog_class = _catalog_class()
    report = Report()
    with in_place(path, force) as folder:
        files: dict[str, list[str]] = {name: [] for name in _TABLES}
        moments = []
        for number, engine in enumerate(engines):
            with read_snapshot(engine) as look:
                moments.append(as_of or look.present())
                files["mail"] += _sound(look, blobs, report)
                for name in ("states", "events"):
                    files[name].append(create_private(folder / f"{name}-{number:05d}.parquet"))
                _write(files["states"][-1], _STATES, _named(look.states(moments[-1]), addresses))
                _write(files["events"][-1], EVENTS, look.events(moments[-1]))
        catalog = catalog_class(
            "gbm", uri=f"sqlite:///{create_private(folder / 'catalog.db')}", warehouse=folder.as_uri()
        )
        catalog.create_namespace("gbm")
        for name, schema in _TABLES.items():
            table = catalog.create_table(f"gbm.{name}", schema)
            if files[name]:
                table.add_files(files[name])
        catalog.close()
        if files["mail"]:
            quoted = {name: _quoted(paths) for name, paths in files.items()}
            write_private(folder / "view.sql", _VIEW.format(folder=folder, **quoted).encode())
        write_manifest(folder, {"format": "iceberg", "as_of": moments, **report.document()})
    return report


def _catalog_class() -> "type[SqlCatalog]":
    try:
        from pyiceberg.catalog.sql import SqlCatalog
    except ImportError as exc:
        raise IcebergMissing from exc
    return SqlCatalog


def _sound(look: Snapshot, blobs: LocalBlobs, report: Report) -> list[str]:
    """The Parquet files whose footers are readable and match the catalog."""
    files = []
    for segment in look.segments():
        name = segment.name + PARQUET_SUFFIX
        try:
            rows = pq.read_metadata(blobs.location(name)).num_rows
        except (pa.ArrowException, OSError, FileDamaged):
            rows = -1  # missing, truncated, foreign, or a name that leads out of the archive
        if rows != segment.messages:
            reason = str(FileDamaged(name, "its messages do not match the catalog"))
            report.damaged.append(Damage("", segment.name, reason))
            continue
        files.append(blobs.location(name))
        report.messages += segment.messages
        report.size_bytes += segment.size_bytes
    return files


def _named(states: Iterator[pa.Table], addresses: dict[int, str]) -> Iterator[pa.Table]:
    for part in states:
        names = [addresses.get(user_id, "") for user_id in part["user_id"].to_pylist()]
        yield pa.table([pa.array(names, pa.string()), *part.columns], schema=_STATES)


def _write(file: str, schema: pa.Schema, parts: Iterator[pa.Table]) -> None:
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in parts:
            writer.write_table(part)


def _quoted(files: Sequence[str]) -> str:
    return ", ".join("'" + file.replace("'", "''") + "'" for file in files)
