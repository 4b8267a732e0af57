"""The archive as Apache Iceberg tables, over the archive's own Parquet files: nothing of the mail is copied.

A folder with `catalog.db` (a SQLite catalogue) and two tables: `gbm.mail`, the archive's files as they are, whose
`labels` are those of the fetch, and `gbm.states`, what every message carries at the moment of the export. `view.sql`
joins both for DuckDB, which needs no Iceberg for it. The tables name files by their absolute paths, so the folder is
made for where it lies; it is made anew, in seconds, when mail came in or the archive's files were merged.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine

from jobs.exporting.destination import in_place, write_manifest
from jobs.exporting.records import Damage, Report
from storage.blobs import FileDamaged, LocalBlobs
from storage.census import STATES, Census, census
from storage.errors import BackupError
from storage.schemas import MESSAGES
from storage.segment import PARQUET_SUFFIX

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog

_STATES = pa.schema([pa.field("mailbox", pa.string(), nullable=False), *STATES])
_VIEW = """\
-- duckdb -init {folder}/view.sql
CREATE VIEW mail AS
SELECT state.mailbox, mail.* REPLACE (state.labels AS labels), state.deleted_at
FROM read_parquet([{files}], hive_partitioning = false) AS mail
JOIN read_parquet([{states}], hive_partitioning = false) AS state USING (user_id, message_id);
"""


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
    told: Callable[[Report], None] | None = None,
) -> Report:
    """Make the tables of every mailbox of these shard databases.

    Args:
        addresses: of the mailboxes, by user id.
        as_of: the moment of `gbm.states`; None: now.

    Returns:
        What `gbm.mail` holds; segments that are damaged are left out of it.

    Raises:
        IcebergMissing, DestinationTaken, DestinationUnusable, DatabaseUnreachable.
    """
    catalog_class = _catalog_class()
    report = Report()
    with in_place(path, force) as folder:
        mail: list[str] = []
        states: list[str] = []
        for number, engine in enumerate(engines):
            with census(engine) as look:
                mail += _sound(look, blobs, report)
                states.append(str(folder / f"states-{number:05d}.parquet"))
                _write_states(look, as_of, addresses, states[-1])
            if told:
                told(report)
        catalog = catalog_class("gbm", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=folder.as_uri())
        catalog.create_namespace("gbm")
        for name, schema, files in (("mail", MESSAGES, mail), ("states", _STATES, states)):
            table = catalog.create_table(f"gbm.{name}", schema)
            if files:
                table.add_files(files)
        catalog.close()
        view = _VIEW.format(folder=folder, files=_quoted(mail), states=_quoted(states)) if mail else ""
        (folder / "view.sql").write_text(view)
        write_manifest(folder, {"format": "iceberg", "as_of": as_of, **report.document()})
    return report


def _catalog_class() -> "type[SqlCatalog]":
    try:
        from pyiceberg.catalog.sql import SqlCatalog
    except ImportError as exc:
        raise IcebergMissing from exc
    return SqlCatalog


def _sound(look: Census, blobs: LocalBlobs, report: Report) -> list[str]:
    """The Parquet files whose footers can be read and say what the catalogue says."""
    files = []
    for segment in look.segments():
        name = segment.name + PARQUET_SUFFIX
        try:
            rows = pq.read_metadata(blobs.location(name)).num_rows
        except (pa.ArrowException, OSError):
            rows = -1  # missing, cut or foreign
        if rows != segment.messages:
            reason = str(FileDamaged(name, "it does not hold the messages that it should"))
            report.damaged.append(Damage("", segment.name, reason))
            continue
        files.append(blobs.location(name))
        report.messages += segment.messages
        report.size_bytes += segment.size_bytes
    return files


def _write_states(look: Census, as_of: datetime | None, addresses: dict[int, str], file: str) -> None:
    with pq.ParquetWriter(file, _STATES, compression="zstd") as writer:
        for part in look.states(as_of):
            names = [addresses.get(user_id, "") for user_id in part["user_id"].to_pylist()]
            writer.write_table(pa.table([pa.array(names, pa.string()), *part.columns], schema=_STATES))


def _quoted(files: Sequence[str]) -> str:
    return ", ".join("'" + file.replace("'", "''") + "'" for file in files)
