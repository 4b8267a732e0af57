"""`gbm bench as-of`: pages of a large mailbox, now and as of earlier times, as the gateway reads them.

The mailbox is synthetic and lives in a separate embedded database. Its label events span a year: some messages gain a
label and lose it again.
"""

import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from statistics import median, quantiles

from cluster.bench.home import private_home
from cluster.settings import Settings
from cluster.stores import Stores, open_stores
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.fulltext.cache import cache_of
from storage.mailbox.search import SearchExecutor
from storage.mailbox.segment_files import MailFiles
from storage.model.results import PageCursor
from storage.model.time_range import LATEST
from storage.query.binder import HIDDEN
from storage.query.conditions import Condition, Labelled, Negated, all_of
from storage.query.plan import plan

_SHARD = 0
_USER = 1
_PAGE = 50
_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class PageFigures:
    """Latency of a kind of page as of one time, in milliseconds, and the messages on it."""

    page: str
    moment: str
    p50_ms: float
    p95_ms: float
    messages: int

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_as_of(settings: Settings, messages: int, events: int) -> list[PageFigures]:
    """Read pages of a mailbox with `messages` messages and `events` label events, in a temporary home.

    Raises:
        BackupError.
    """
    shards = settings.shards.model_copy(update={"count": 1})
    with private_home(settings) as settings, open_stores(settings.model_copy(update={"shards": shards})) as stores:
        present = _fill(stores, messages, events // 2)
        return _pages(stores, present)


def _fill(stores: Stores, messages: int, changed: int) -> datetime:
    engine = stores.databases.shard_database(stores.shards[_SHARD])
    with transaction(engine) as connection:
        segment = {"name": "0000/bench", "shard_id": _SHARD, "epoch": 1, "messages": messages}
        sizes = dict.fromkeys(("size_bytes", "raw_bytes", "parquet_bytes", "words_bytes", "defective"), 0)
        connection.execute(query("segment_insert"), {**segment, **sizes})
        connection.execute(query("bench/as_of"), {"user_id": _USER, "messages": messages, "changed": changed})
        connection.execute(query("bench/label_events"), {"user_id": _USER})
        connection.execute(query("bench/analyze"))
        present: datetime = connection.execute(query("transaction_time")).scalar_one()
        return present


def _pages(stores: Stores, present: datetime) -> list[PageFigures]:
    engine = stores.databases.shard_database(stores.shards[_SHARD])
    shown = [Negated(Labelled(label)) for label in HIDDEN]
    pages: dict[str, Condition] = {
        "all mail": all_of(shown),
        "unread": all_of([Labelled("UNREAD"), *shown]),
        "a label on no message": all_of([Labelled("Label_1"), *shown]),
    }
    ages: dict[str, timedelta | None] = {
        "now": None,
        "a day ago": timedelta(days=1),
        "half a year ago": timedelta(days=182),
        "before all events": timedelta(days=365, hours=12),
    }
    splits = cache_of(stores.config.archive)
    figures = []
    for page, condition in pages.items():
        planned = plan(condition)
        for moment, age in ages.items():
            as_of = None if age is None else present - age
            executor = SearchExecutor(_USER, engine, MailFiles(_USER, engine, stores.blobs, splits), as_of)
            spent, rows = [], []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                rows = executor.find(planned, PageCursor(LATEST, 0), _PAGE + 1, False)
                spent.append(1000 * (time.perf_counter() - began))
            p95 = quantiles(spent, n=20)[-1]
            figures.append(PageFigures(page, moment, round(median(spent), 2), round(p95, 2), min(len(rows), _PAGE)))
    return figures
