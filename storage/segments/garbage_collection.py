"""Deletes files without readers: orphans of a crash, and files merged into others.

An uncommitted file of an epoch before the lease's can never be committed (leases.fence) and is deleted at once; one of
the current epoch may belong to a segment that is being written and is deleted after a grace period. The files of a
merged segment are deleted once the segment has been retired for longer than any reader's query takes.

A catalog that knows none of the roll-ups beside the segments does not belong to this archive: it is new, or was
restored and not rebuilt (storage/recovery/rebuild.py). Then nothing is deleted.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from storage.catalog.catalog import Catalog
from storage.catalog.compaction import Compactions
from storage.catalog.leases import Lease
from storage.failpoints import FailPoint, hit
from storage.files.blobs import BlobStat, LocalBlobs
from storage.segments import analysis_file
from storage.segments.file_names import ROLLUP_SUFFIX, SUFFIXES
from storage.segments.writer import epoch_of

_LOG = logging.getLogger(__name__)


def sweep(
    blobs: LocalBlobs, catalog: Catalog, lease: Lease, now: float, grace_s: float, retired_grace_s: float
) -> list[str]:
    """Delete a shard's orphans and the files of retired segments.

    Args:
        now: seconds since 1970.
        grace_s: least age of an orphan of the current epoch.
        retired_grace_s: least time since a segment was retired.

    Returns:
        The names of the orphans; deleted files of retired segments are not reported.

    Raises:
        LeaseLost: another owner has the shard; all files deleted before were deletable.

    Files whose names are not those of segments are ignored. The listing is taken before the catalog is read, so a
    segment that commits in between is in the catalog.
    """
    listed = list(blobs.list(f"{lease.shard_id:04d}"))
    files = [(name, file) for file in listed if (name := _segment_of(file.name))]
    rolled = {file.name.removesuffix(ROLLUP_SUFFIX) for file in listed if file.name.endswith(ROLLUP_SUFFIX)}
    if rolled and rolled.isdisjoint(catalog.rollup_names(lease.shard_id)):
        _LOG.error("Shard %d keeps all files: they belong to other databases; run gbm db rebuild", lease.shard_id)
        return []
    committed = catalog.segment_names(lease.shard_id)
    compactions = Compactions(catalog.engine)
    # One moment for the whole sweep: a segment whose grace period ends meanwhile keeps its files and its row.
    before = compactions.grace_began(retired_grace_s)
    retired = compactions.retired(lease.shard_id, [name for name, _ in files], before)
    orphans = []
    for name, file in files:
        if name in committed and name not in retired:
            continue
        if name not in retired:
            epoch = epoch_of(name)
            if epoch > lease.epoch or (epoch == lease.epoch and now - file.modified_at <= grace_s):
                continue
            orphans.append(file.name)
        blobs.delete(file.name)
        hit(FailPoint.SWEEP_DELETED)
    orphans += _sweep_analyses(blobs, catalog, lease, listed, now, grace_s, before)
    compactions.forget(lease, before)
    hit(FailPoint.SWEEP_FORGOTTEN)
    return orphans


def _sweep_analyses(
    blobs: LocalBlobs,
    catalog: Catalog,
    lease: Lease,
    listed: Sequence[BlobStat],
    now: float,
    grace_s: float,
    before: datetime,
) -> list[str]:
    """The same for analysis files, whose names contain the writer's epoch as well as the segment."""
    files = [(of[1], file) for file in listed if (of := analysis_file.origin(file.name))]
    recorded = catalog.analyses(lease.shard_id, before) if files else {}
    orphans = []
    for epoch, file in files:
        if file.name not in recorded:
            if epoch > lease.epoch or (epoch == lease.epoch and now - file.modified_at <= grace_s):
                continue
            orphans.append(file.name)
        elif not recorded[file.name]:
            continue
        blobs.delete(file.name)
        hit(FailPoint.SWEEP_DELETED)
    return orphans


def _segment_of(file: str) -> str | None:
    """The segment that a file belongs to; None: not a segment's file."""
    for suffix in SUFFIXES:
        name = file.removesuffix(suffix)
        if name != file:
            try:
                epoch_of(name)
            except ValueError:
                return None
            return name
    return None
