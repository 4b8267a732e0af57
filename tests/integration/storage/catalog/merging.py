"""Segments of a shard, merged by tests, and what readers see of them."""

from datetime import timedelta

from storage.catalog.compaction import Compactions
from storage.model.records import Merged
from storage.segments.merge.merge import merge
from tests.integration.storage.factory import NOON, Mail, Shard

LONG = "word " * 60_000  # a frame of its own: such segments are copied, the others re-packed


def mail(number: int, text: str = "Good morning.") -> Mail:
    return Mail(number, subject=f"Mail {number}", text=f"{text} number{number}", received_at=NOON + timedelta(number))


def compact(shard: Shard, *names: str) -> Merged:
    """Merge these segments, or all, and commit."""
    live = [segment.name for segment in Compactions(shard.engine).live(shard.shard_id)]
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, shard.lease.epoch, names or live)
    assert Compactions(shard.engine).commit(shard.lease, merged, moved)
    return merged
