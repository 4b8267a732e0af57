"""`gbm bench numbers`: latency of the statistics of a whole mailbox, as the gateway reads them, without caches."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from zoneinfo import ZoneInfo

from cluster.bench.archive import Work, pool_of
from cluster.bench.home import private_home
from cluster.bench.resampling import Corpus
from cluster.settings import Settings
from cluster.stores import open_stores
from storage.analytics.correspondence import Correspondence
from storage.analytics.stats import MailboxStats

_GENERATED = 5000
_TIMES = 40
_PROCESSES = 2
_MOST = 5000
_ZURICH, _KATHMANDU = ZoneInfo("Europe/Zurich"), ZoneInfo("Asia/Kathmandu")


def _overview(stats: MailboxStats) -> None:
    stats.overview()
    stats.labels(200)
    stats.attachments()


QUESTIONS: Mapping[str, Callable[[MailboxStats], object]] = {
    "overview": _overview,
    "timeline, months": lambda stats: stats.timeline("month", _ZURICH, _MOST),
    "timeline, days": lambda stats: stats.timeline("day", _ZURICH, _MOST),
    "timeline, months, 5:45": lambda stats: stats.timeline("month", _KATHMANDU, _MOST),
    "activity": lambda stats: stats.activity(_ZURICH),
    "labels": lambda stats: stats.labels(200),
    "senders": lambda stats: stats.senders(20),
    "domains": lambda stats: stats.domains("senders", 20),
    "threads": lambda stats: Correspondence(stats).responses(),
}


@dataclass(frozen=True, slots=True)
class NumbersResult:
    """Latency of each query in milliseconds: (p50, p95)."""

    messages: int
    took_ms: Mapping[str, tuple[float, float]]

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_numbers(
    settings: Settings, mail: tuple[Path, ...], messages: int, report: Callable[[str], None]
) -> NumbersResult:
    """Write a mailbox and measure every query.

    Raises:
        BackupError.
    """
    corpus = Corpus.read(mail, _GENERATED)
    with private_home(settings) as settings, open_stores(settings) as stores:
        report(f"writing {messages:,} messages")
        user = stores.control.add_user("bench@example.com")
        with pool_of(_PROCESSES, corpus) as pool:
            work = Work(stores, [user], {user.user_id: messages}, pool, 2 * _PROCESSES)
            work.write(lambda *_: None)
            work.compact(lambda *_: None)
            work.release()
        gc.freeze()  # a collection over the resampled mail, which no gateway holds, takes 100 ms
        reader, took = stores.reader(user), dict[str, tuple[float, float]]()
        for name, ask in QUESTIONS.items():
            report(name)
            ask(reader.stats())  # warm up: opens the files
            times = []
            for _ in range(_TIMES):
                began = time.perf_counter()
                ask(reader.stats())
                times.append(1000 * (time.perf_counter() - began))
            took[name] = round(median(times), 1), round(quantiles(times, n=20)[-1], 1)
    return NumbersResult(messages, took)
