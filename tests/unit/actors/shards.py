"""A shard under test, and the answers that tests give to its decisions."""

from actors.config import PollConfig, RetryConfig, ShardConfig
from actors.decisions import (
    Changed,
    Decision,
    Fetch,
    Fetched,
    Mode,
    ReadHistory,
    Write,
    Written,
)
from actors.quota import ShardQuota
from actors.shard import Shard
from jobs.gmail.config import GmailConfig
from storage.catalog.leases import Lease
from storage.config import ArchiveConfig
from storage.model.records import MailboxRecord, Phase, SegmentManifest

START = 1000.0


def shard(archive: ArchiveConfig | None = None, **settings: int) -> Shard:
    config = ShardConfig(retry=RetryConfig(), poll=PollConfig(enabled=False), **settings)
    quota = ShardQuota(GmailConfig(quota_profile="unlimited"), 1, 0.0, succeeds=False)
    for user_id in range(1, 9):
        quota.ready_at(user_id, None, START - 60)
    return Shard(Lease(3, "me", 7), config, archive or ArchiveConfig(), quota)


def opened(shard: Shard, *user_ids: int) -> Shard:
    for user_id in user_ids:
        box = shard.open(MailboxRecord(user_id, "a@example.com", Phase.CURRENT, cursor=100), (), START)
        box.labels_read((), START)  # the next hour has no need to ask
        shard.request(user_id, Mode.INCREMENTAL, START)
    return shard


def answer(shard: Shard, decisions: list[Decision], now: float = START, size: int = 100, ids: int = 4) -> None:
    """Gmail answers: every history brings `ids` messages, every message arrives."""
    for decision in decisions:
        if isinstance(decision, ReadHistory):
            first = decision.user_id * 1000
            shard.on_outcome(decision, Changed(tuple(range(first, first + ids)), (), 200, None), now)
        elif isinstance(decision, Fetch):
            total = size * len(decision.message_ids)
            shard.on_outcome(decision, Fetched(decision.message_ids, (), (), total, "mail", 0), now)


def written(write: Write, name: str = "a") -> Written:
    count = sum(len(held.message_ids) for held in write.batches)
    return Written(write, SegmentManifest(name, 3, 7, count, 1, 1, 1, 0, ()), "index")


def only(decisions: list[Decision], kind: type) -> list:  # type: ignore[type-arg]
    return [decision for decision in decisions if isinstance(decision, kind)]
