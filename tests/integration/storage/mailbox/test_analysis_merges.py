"""Results of analysers when segments are merged."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from storage.catalog.catalog import AnalysisOutdated
from storage.catalog.compaction import CompactionOutdated, Compactions
from storage.failpoints import FailPoint, watching
from storage.segments import analysis_file
from storage.segments.file_names import PARQUET_SUFFIX
from storage.segments.merge.merge import merge
from tests.integration.storage.factory import Shard, echo
from tests.integration.storage.mailbox.analysed import again, column, compact, current, files, mails, said, spoil
from tests.integration.storage.recovery.test_rebuild import World, world  # noqa: F401 - a fixture


def test_a_merge_keeps_every_row_with_its_message(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    for start in range(3):
        numbers = range(1 + start, 40, 3)
        manifest, index = shard.write((bob, mails(*numbers)), (ann, mails(*numbers)), analyse=echo)
        shard.catalog.commit(shard.plan([ann, bob], manifest), index)
    shard.store(ann, *mails(50, 0))

    merged = compact(shard)

    assert merged.segment is not None and merged.segment.analysis is not None
    assert merged.segment.analysis.versions == (("echo", 0),), "of some rows it says nothing"
    for user in (ann, bob):
        assert said(shard, user, *range(1, 40)) == [f"Mail {n}" for n in range(1, 40)]
    assert said(shard, ann, 50, 0) == [None, None]
    with pq.ParquetFile(shard.root / (merged.segment.name + PARQUET_SUFFIX)) as theirs:
        keys = theirs.read(columns=["user_id", "message_id"])
    found = analysis_file.manifest_of(shard.blobs, merged.segment.analysis.name, keys)
    assert found == replace(merged.segment.analysis, sha256=None)


def test_a_merge_without_any_analysis_has_none(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *mails(1))
    shard.store(user, *mails(2))

    merged = compact(shard)
    assert merged.segment is not None and merged.segment.analysis is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_analysis_never_keeps_mail_from_being_merged(shard: Shard, damage: str) -> None:
    user = shard.user()
    spoiled = current(shard, shard.store(user, *mails(1), analyse=echo))
    shard.store(user, *mails(2), analyse=echo)
    spoil(shard.root / str(spoiled), damage)

    merged = compact(shard)

    assert merged.excluded == ()
    assert said(shard, user, 1, 2) == [None, "Mail 2"]


def test_a_merge_of_an_analysis_that_was_replaced_meanwhile_is_told(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1), analyse=echo)
    shard.store(user, *mails(2), analyse=echo)
    live = Compactions(shard.engine).live(shard.shard_id)
    analyses = {one.name: one.analysis for one in live if one.analysis}
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, 1, [*analyses], analyses)
    new = again(shard, segment, lambda rows: column("echo", 2, said=["new"] * rows))
    shard.catalog.reanalysed(shard.lease, segment, current(shard, segment), new)

    with pytest.raises(CompactionOutdated):
        Compactions(shard.engine).commit(shard.lease, merged, moved)
    compact(shard)
    assert said(shard, user, 1, 2) == ["new", "Mail 2"]


def test_an_analysis_of_a_segment_that_was_merged_meanwhile_is_told(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, *mails(1), analyse=echo)
    old = current(shard, segment)
    shard.store(user, *mails(2))
    new = again(shard, segment, lambda rows: column("echo", 2, said=["late"] * rows))
    compact(shard)

    with pytest.raises(AnalysisOutdated):
        shard.catalog.reanalysed(shard.lease, segment, old, new)
    assert said(shard, user, 1) == ["Mail 1"]


def test_a_failed_merge_leaves_no_analysis(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *mails(1), analyse=echo)
    shard.store(user, *mails(2), analyse=echo)
    before = files(shard)

    def full(point: FailPoint) -> None:
        if point is FailPoint.MERGE_WRITTEN:
            raise OSError(28, "No space left on device")

    with watching(full), pytest.raises(OSError, match="No space"):
        compact(shard)
    assert files(shard) == before
