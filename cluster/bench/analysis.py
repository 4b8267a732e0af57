"""`gbm bench analysis`: what each analyser costs, and how fast an archive is analysed anew.

Costs are CPU time of one core, the best of three passes over mail that was parsed before. Anew: segments are read back,
analysed and written by as many processes as there are cores, and committed, as `gbm analyze` does without Ray.
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
    """What one run measured.

    cost_us: by analyser, in the order in which they run: who runs first pays for what others share.
    together_us: all of them in batches, with their columns.
    anew_per_s: messages of an archive analysed anew per second; None: not measured.
    """

    messages: int
    mean_bytes: float
    cost_us: Mapping[str, float]
    together_us: float
    anew_messages: int
    anew_per_s: float | None

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def bench_analysis(
    settings: Settings, mail: tuple[Path, ...], archived: int, told: Callable[[str], None]
) -> AnalysisResult:
    """Analyse mail, and an archive.

    Args:
        mail: none: generated mail.
        archived: messages of the archive that is analysed anew; 0: none is.

    Raises:
        BackupError.
    """
    corpus = Corpus.read(mail, _GENERATED)
    told(f"analysing {len(corpus.messages):,} messages")
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
    per_s = _anew(settings, corpus, archived, told) if archived else None
    count = len(parsed)
    return AnalysisResult(
        messages=count,
        mean_bytes=round(sum(map(len, corpus.messages)) / count),
        cost_us={name: round(spent / count * 1e6, 1) for name, spent in best.items()},
        together_us=round(together / count * 1e6, 1),
        anew_messages=archived,
        anew_per_s=per_s and round(per_s, 1),
    )


def _anew(settings: Settings, corpus: Corpus, messages: int, told: Callable[[str], None]) -> float:
    with private_home(settings) as settings, open_stores(settings) as stores:
        told(f"writing {messages:,} messages")
        users = [stores.control.add_user(f"bench{number}@example.com") for number in range(_MAILBOXES)]
        with pool_of(_PROCESSES, corpus) as pool:
            work = Work(stores, users, _shares(users, messages), pool, 2 * _PROCESSES)
            work.write(lambda *_: None)
            work.release()
        told("analysing them anew")
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
