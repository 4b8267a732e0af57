"""Orphan files go once nothing can commit them any more, and nothing else goes."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from storage.catalog import leases
from storage.catalog.leases import LeaseLost
from storage.segments.garbage_collection import sweep
from tests.integration.storage.factory import Mail, Shard

NOW = 2_000_000_000.0
GRACE_S = 100.0
RETIRED_S = 50.0


def aged(shard: Shard, name: str, age_s: float) -> set[str]:
    """The files of a segment, as old as that."""
    files = {f"{name}.raw.zst", f"{name}.parquet", f"{name}.split"}
    for file in files:
        os.utime(shard.root / file, (NOW - age_s, NOW - age_s))
    return files


def files_of(shard: Shard) -> set[str]:
    return {file.name for file in shard.blobs.list(f"{shard.shard_id:04d}")}


def test_committed_files_stay_whatever_their_age_and_epoch(shard: Shard) -> None:
    files = aged(shard, shard.store(shard.user(), Mail(1)), 1e6)
    shard.lease = leases.acquire(shard.engine, shard.shard_id, "owner", "cluster", 60)

    assert sweep(shard.blobs, shard.catalog, shard.lease, NOW, GRACE_S, RETIRED_S) == []
    assert files_of(shard) == files


def test_a_file_of_the_present_epoch_goes_after_the_grace_period_only(shard: Shard) -> None:
    user = shard.user()
    young = aged(shard, shard.write((user, [Mail(1)]))[0].name, GRACE_S - 1)
    old = aged(shard, shard.write((user, [Mail(2)]))[0].name, GRACE_S + 1)

    assert set(sweep(shard.blobs, shard.catalog, shard.lease, NOW, GRACE_S, RETIRED_S)) == old
    assert files_of(shard) == young


def test_a_file_of_an_earlier_epoch_goes_at_once_and_of_a_later_one_never(shard: Shard) -> None:
    user = shard.user()
    earlier = aged(shard, shard.write((user, [Mail(1)]))[0].name, 0)
    old = shard.lease
    shard.lease = leases.acquire(shard.engine, shard.shard_id, "owner", "cluster", 60)
    present = aged(shard, shard.write((user, [Mail(1)]))[0].name, GRACE_S + 1)

    with pytest.raises(LeaseLost):
        sweep(shard.blobs, shard.catalog, replace(old, epoch=0), NOW, GRACE_S, RETIRED_S)
    assert files_of(shard) == earlier | present
    assert set(sweep(shard.blobs, shard.catalog, shard.lease, NOW, GRACE_S + 2, RETIRED_S)) == earlier
    assert files_of(shard) == present


def test_half_a_segment_is_swept(shard: Shard) -> None:
    name = shard.write((shard.user(), [Mail(1)]))[0].name
    aged(shard, name, GRACE_S + 1)
    shard.blobs.delete(f"{name}.parquet")

    swept = sweep(shard.blobs, shard.catalog, shard.lease, NOW, GRACE_S, RETIRED_S)
    assert set(swept) == {f"{name}.raw.zst", f"{name}.split"}
    assert files_of(shard) == set()


@pytest.mark.parametrize(
    "name", ["README", "0-notes.parquet", "00000000-copy.raw.zst", "2024.parquet", "sub/00000000-x.parquet"]
)
def test_what_is_not_ours_is_left_alone(shard: Shard, name: str) -> None:
    file = Path(f"{shard.shard_id:04d}") / name
    shard.blobs.put(file.as_posix(), [b"mine"])
    os.utime(shard.root / file, (0, 0))

    assert sweep(shard.blobs, shard.catalog, shard.lease, NOW, GRACE_S, RETIRED_S) == []
    assert files_of(shard) == {file.as_posix()}


def test_another_shards_files_are_not_looked_at(shard: Shard) -> None:
    aged(shard, shard.write((shard.user(), [Mail(1)]))[0].name, 1e6)

    other = leases.acquire(shard.engine, 99_999, "owner", "cluster", 60)
    assert sweep(shard.blobs, shard.catalog, other, NOW, GRACE_S, RETIRED_S) == []
    assert len(files_of(shard)) == 3
