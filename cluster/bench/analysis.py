"""`gbm bench analysis`: CPU cost of each analyser, and throughput of re-analysing an archive.

Costs are CPU time, the best of three passes over parsed mail. For the archive, one process per core reads
segments back, analyses, writes and commits them, as `gbm analyze` does, but without Ray.
"""

import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.bench.archive import Work, pool_of
from cluster.bench.home import private_home
from cluster.bench.resampling import Corpus
from cluster.settings import Settings
from cluster.stores import open_stores
from jobs.analysis import columns
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.mail import Mail
from jobs.analysis.registry import BUILT_IN
from jobs.analysis.running import configured
from jobs.mime.parser import parse
from jobs.reanalysis import reanalyse
from storage.catalog import leases
from storage.config import ArchiveConfig
from storage.model.records import AnalysisManifest, User

_GENERATED = 5000
_PASSES = 3
_BATCH = 200
_PROCESSES = 2
_MAILBOXES = 20
_LEASE_S = 3600.0


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """Results of one run.

    cost_us: by analyser, in execution order; the first one also pays for shared work.
    together_us: all analysers in batches, including their columns.
    anew_per_s: re-analysed messages of an archive per second; None if not measured.
    """

    messages: int
    mean_bytes: float
    cost_us: Mapping[str, float]
    together_us: float
    anew_messages: int
    anew_per_s: float | None

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_analysis(
    settings: Settings, mail: tuple[Path, ...], archived: int, report: Callable[[str], None]
) -> AnalysisResult:
    """Measure the analysers on mail, and optionally on an archive.

    Args:
        mail: paths; empty uses generated mail.
        archived: messages of the archive to re-analyse; 0 skips it.

    Raises:
        BackupError.
    """
    corpus = Corpus.read(mail, _GENERATED)
    report(f"analysing {len(corpus.messages):,} messages")
    parsed = [parse(raw) for raw in corpus.messages]
    best: dict[str, float] = {}
    together = float("inf")
    for _ in range(_PASSES):
        mails = [Mail(message) for message in parsed]
        for analyser in BUILT_IN:
            began = time.process_time()
            columns.column(mails, analyser)
            best[analyser.name] = min(best.get(analyser.name, float("inf")), time.process_time() - began)
        began = time.process_time()
        for start in range(0, len(parsed), _BATCH):
            columns.analyse([Mail(message) for message in parsed[start : start + _BATCH]], BUILT_IN)
        together = min(together, time.process_time() - began)
    per_s = _anew(settings, corpus, archived, report) if archived else None
    count = len(parsed)
    return AnalysisResult(
        messages=count,
        mean_bytes=round(sum(map(len, corpus.messages)) / count),
        cost_us={name: round(spent / count * 1e6, 1) for name, spent in best.items()},
        together_us=round(together / count * 1e6, 1),
        anew_messages=archived,
        anew_per_s=per_s and round(per_s, 1),
    )


def _anew(settings: Settings, corpus: Corpus, messages: int, report: Callable[[str], None]) -> float:
    with private_home(settings) as settings, open_stores(settings) as stores:
        report(f"writing {messages:,} messages")
        users = [stores.control.add_user(f"bench{number}@example.com") for number in range(_MAILBOXES)]
        with pool_of(_PROCESSES, corpus) as pool:
            work = Work(stores, users, _shares(users, messages), pool, 2 * _PROCESSES)
            work.write(lambda *_: None)
            work.release()
        report("re-analysing them")
        archive, done = stores.config.archive, 0
        began = time.monotonic()
        with ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
            for shard_id in sorted({user.shard_id for user in users}):
                catalog = stores.catalog(next(user for user in users if user.shard_id == shard_id))
                lease = leases.acquire(catalog.engine, shard_id, "bench", "bench", _LEASE_S)
                segments = catalog.analysed(shard_id)
                made = [pool.submit(_analysed, archive, segment.name, lease.epoch) for segment in segments]
                for segment, future in zip(segments, made, strict=True):
                    if not catalog.reanalysed(lease, segment.name, segment.analysis, future.result()):
                        raise AssertionError(f"the segment {segment.name} changed under the measurement")
                    done += segment.messages
        return done / (time.monotonic() - began)


def _shares(users: list[User], messages: int) -> dict[int, int]:
    return {user.user_id: -(-messages // len(users)) for user in users}


def _analysed(archive: ArchiveConfig, segment: str, epoch: int) -> AnalysisManifest:
    analysers = configured(AnalysisConfig(plugins=False))
    assert analysers is not None
    return reanalyse(archive, segment, epoch, None, list(analysers.versions), analysers)
