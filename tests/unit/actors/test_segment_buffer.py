"""Mail between its fetch and its segment."""

from actors.config import ShardConfig
from actors.decisions import FetchedBatch
from actors.segment_buffer import SegmentBuffer
from storage.config import ArchiveConfig


def test_a_message_that_a_batch_withholds_is_stored_when_a_later_batch_brings_it() -> None:
    buffer = SegmentBuffer(ShardConfig(), ArchiveConfig())
    buffer.hold(FetchedBatch(1, (10, 11), 2, 0.0, "first", skip=(12,)))
    buffer.hold(FetchedBatch(2, (12,), 1, 0.1, "another's"))
    buffer.hold(FetchedBatch(1, (12, 13), 2, 0.2, "again"))

    first, second = buffer.due(1.0, nothing_follows=True)

    assert [batch.reference for batch in first.batches] == ["first", "another's"]
    assert first.skip == {(1, 12)}
    assert ([batch.reference for batch in second.batches], second.skip) == (["again"], frozenset())
