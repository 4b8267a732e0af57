"""Removes files that nobody needs: left behind by a crash, or merged into others.

A file of an epoch before the lease's that was never committed can never be (leases.fence), so it goes at once; one of
the present epoch may belong to a segment that is being written, so it goes only after a grace period. The files of a
merged segment go once they have been named to no reader for longer than any reader's query takes.

A catalogue that knows none of the roll-ups that lie beside the segments is not this archive's: a new one, or one that
was restored and not rebuilt (storage/recovery/rebuild.py). Nothing is an orphan to it.
"""

import logging
from collections.abc import Sequence

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
    """Delete a shard's orphan files and those of retired segments.

    Args:
        now: seconds since 1970.
        grace_s: age of an orphan of the present epoch.
        retired_grace_s: for how long a segment must have been retired.

    Returns:
        The names of the orphans: merged files are no news.

    Raises:
        LeaseLost: somebody else owns the shard, and sweeps it; what was deleted could go.

    Files that no segment of ours would be named like are left alone. The listing is taken before the catalogue is
    read: a segment that commits in between is found there.
    """
    listed = list(blobs.list(f"{lease.shard_id:04d}"))
    files = [(name, file) for file in listed if (name := _segment_of(file.name))]
    rolled = {file.name.removesuffix(ROLLUP_SUFFIX) for file in listed if file.name.endswith(ROLLUP_SUFFIX)}
    if rolled and rolled.isdisjoint(catalog.rollup_names(lease.shard_id)):
        _LOG.error("Shard %d sweeps nothing: its files are of other databases; run gbm db rebuild", lease.shard_id)
        return []
    committed = catalog.segment_names(lease.shard_id)
    compactions = Compactions(catalog.engine)
    retired = compactions.retired(lease.shard_id, [name for name, _ in files], retired_grace_s)
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
    orphans += _sweep_analyses(blobs, catalog, lease, listed, now, grace_s, retired_grace_s)
    compactions.forget(lease, retired_grace_s)
    hit(FailPoint.SWEEP_FORGOTTEN)
    return orphans


def _sweep_analyses(
    blobs: LocalBlobs,
    catalog: Catalog,
    lease: Lease,
    listed: Sequence[BlobStat],
    now: float,
    grace_s: float,
    retired_grace_s: float,
) -> list[str]:
    """The same for files of analyses, whose names tell the epoch that wrote them, and not only their segment's."""
    files = [(of[1], file) for file in listed if (of := analysis_file.origin(file.name))]
    recorded = catalog.analyses(lease.shard_id, retired_grace_s) if files else {}
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
    """The segment that a file belongs to; None: it is not ours."""
    for suffix in SUFFIXES:
        name = file.removesuffix(suffix)
        if name != file:
            try:
                epoch_of(name)
            except ValueError:
                return None
            return name
    return None
