"""Removes files that a crash left behind: written, but never committed, and never to be.

A file of an epoch before the lease's can never be committed (leases.fence), so it goes at once; one of the present
epoch may belong to a segment that is being written, so it goes only after a grace period.
"""

from storage.blobs import LocalBlobs
from storage.catalog import Catalog
from storage.leases import Lease
from storage.segment import PARQUET_SUFFIX, RAW_SUFFIX, SPLIT_SUFFIX, epoch_of


def sweep(blobs: LocalBlobs, catalog: Catalog, lease: Lease, now: float, grace_s: float) -> list[str]:
    """Delete a shard's orphan files; returns their names.

    Args:
        now: seconds since 1970.

    Files that no segment of ours would be named like are left alone. The listing is taken before the catalogue is
    read: a segment that commits in between is found there.
    """
    files = list(blobs.list(f"{lease.shard_id:04d}"))
    committed = catalog.segment_names(lease.shard_id)
    orphans = []
    for file in files:
        name = file.name.removesuffix(RAW_SUFFIX).removesuffix(PARQUET_SUFFIX).removesuffix(SPLIT_SUFFIX)
        if name == file.name or name in committed:
            continue
        try:
            epoch = epoch_of(name)
        except ValueError:
            continue
        if epoch < lease.epoch or (epoch == lease.epoch and now - file.modified_at > grace_s):
            blobs.delete(file.name)
            orphans.append(file.name)
    return orphans
