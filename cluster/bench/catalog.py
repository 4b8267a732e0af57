"""`gbm bench catalog`: planning reads with, and committing to, the catalogue of a large shard database.

The catalogue is synthetic and lives in a separate embedded database. Planning selects the segments with mail of a user
in a time range, the first step of every read. A commit is the whole fenced transaction of a segment: its row, its
users' shares, their messages, cursors and events.
"""

import random
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles

import pyarrow as pa

from cluster.bench.home import private_home
from cluster.settings import Settings
from cluster.stores import Stores, open_stores
from storage.catalog import leases
from storage.catalog.catalog import Catalog
from storage.catalog.leases import Lease
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.fulltext.cache import cache_of
from storage.mailbox.segment_files import MailFiles
from storage.model.records import Commit, MailboxUpdate, Phase, SegmentManifest, SegmentUser
from storage.model.schemas import INDEX

_SHARD = 0
_PLANS = 500
_COMMITS = 40
_YEARS = timedelta(days=3652)


@dataclass(frozen=True, slots=True)
class CatalogPlan:
    """Size of the catalogue. users_each: users per segment.

    messages_each: messages per user in a committed segment; a few, as in an incremental sync.
    """

    segments: int = 100_000
    users: int = 10_000
    users_each: int = 20
    commit_users: int = 100
    messages_each: int = 5


@dataclass(frozen=True, slots=True)
class CatalogFigures:
    """Latency of one step in milliseconds. found: median number of planned segments or committed messages."""

    step: str
    p50_ms: float
    p95_ms: float
    found: int

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_catalog(settings: Settings, plan: CatalogPlan) -> list[CatalogFigures]:
    """Create the catalogue, then measure plans and commits, in a temporary home.

    Raises:
        BackupError.
    """
    shards = settings.shards.model_copy(update={"count": 1})
    with private_home(settings) as settings, open_stores(settings.model_copy(update={"shards": shards})) as stores:
        _fill(stores, plan)
        return [*_planning(stores, plan), _committing(stores, plan)]


def _fill(stores: Stores, plan: CatalogPlan) -> None:
    engine = stores.databases.shard_database(stores.shards[_SHARD])
    with transaction(engine) as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # inserting ten million rows takes minutes
        connection.execute(query("bench/mailboxes"), {"shard_id": _SHARD, "mailboxes": plan.users})
        connection.execute(query("bench/segments"), {"shard_id": _SHARD, "segments": plan.segments})
        connection.execute(query("bench/segment_users"), {"users": plan.users, "each": plan.users_each})
        connection.execute(query("bench/analyze"))


def _planning(stores: Stores, plan: CatalogPlan) -> list[CatalogFigures]:
    engine = stores.databases.shard_database(stores.shards[_SHARD])
    chance, splits = random.Random(1), cache_of(stores.config.archive)  # noqa: S311 - not for secrets
    now = datetime.now(UTC)
    figures = []
    for step, width in (("plan a month", timedelta(days=30)), ("plan ten years", _YEARS + timedelta(days=8))):
        spent, counts = [], []
        for _ in range(_PLANS):
            files = MailFiles(1 + chance.randrange(plan.users), engine, stores.blobs, splits)
            last_at = now - chance.random() * (_YEARS - width if width < _YEARS else timedelta())
            began = time.perf_counter()
            counts.append(len(files.segments(last_at - width, last_at)))
            spent.append(1000 * (time.perf_counter() - began))
        figures.append(_figures(step, spent, int(median(counts))))
    return figures


def _committing(stores: Stores, plan: CatalogPlan) -> CatalogFigures:
    engine = stores.databases.shard_database(stores.shards[_SHARD])
    catalog, lease = Catalog(engine), leases.acquire(engine, _SHARD, "bench", "bench", 3600.0)
    users = min(plan.commit_users, plan.users)
    spent = []
    for number in range(_COMMITS):
        commit, index = _segment(lease, number, users, plan.messages_each)
        began = time.perf_counter()
        catalog.commit(commit, index)
        spent.append(1000 * (time.perf_counter() - began))
    return _figures(f"commit {users} users", spent, users * plan.messages_each)


def _segment(lease: Lease, number: int, users: int, messages_per_user: int) -> tuple[Commit, pa.Table]:
    now = datetime.now(UTC)
    message_ids = range(number * messages_per_user, (number + 1) * messages_per_user)
    keys = [(user_id, message_id) for user_id in range(1, users + 1) for message_id in message_ids]
    constant = {"thread_id": 1, "history_id": 1000, "received_at": now, "labels": ["INBOX", "UNREAD"]}
    place = {"size_bytes": 5000, "sha256": bytes(32), "frame_offset": 0, "frame_bytes": 500_000, "raw_offset": 0}
    rows = [{"user_id": user_id, "message_id": message_id, **constant, **place} for user_id, message_id in keys]
    manifest = SegmentManifest(
        name=f"{_SHARD:04x}/commit-{number}",
        shard_id=lease.shard_id,
        epoch=lease.epoch,
        messages=len(rows),
        size_bytes=5000 * len(rows),
        raw_bytes=1500 * len(rows),
        parquet_bytes=900 * len(rows),
        defective=0,
        users=tuple(
            SegmentUser(user_id, messages_per_user, 5000 * messages_per_user, now, now)
            for user_id in range(1, users + 1)
        ),
        words_bytes=500 * len(rows),
    )
    mailboxes = tuple(MailboxUpdate(user_id, Phase.CURRENT, 1001 + number, None, 0) for user_id in range(1, users + 1))
    commit = Commit(lease.shard_id, lease.owner, lease.epoch, manifest, mailboxes)
    return commit, pa.Table.from_pylist(rows, schema=INDEX)


def _figures(step: str, spent: list[float], found: int) -> CatalogFigures:
    return CatalogFigures(step, round(median(spent), 2), round(quantiles(spent, n=20)[-1], 2), found)
