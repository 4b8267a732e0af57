"""`gbm bench archive`: write, compact and query an archive of any size, in a separate home.

Segments are written with the code of the tasks, in separate processes, and committed with the code of the owners. The
shards are then compacted by the owners' policy, and a new process runs queries. No Ray and no Gmail: those are measured
by `gbm bench ingest`.
"""

import multiprocessing
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from actors.compaction import choose
from cluster.bench import figures
from cluster.bench.home import private_home
from cluster.bench.questions import QueryLatencies, ask_all
from cluster.bench.resampling import Corpus, Share, message_id, segments, sizes, total
from cluster.settings import Settings
from cluster.stores import Stores, open_stores
from jobs.compaction import compact
from jobs.processing import write_segment
from storage import cpu_timer
from storage.catalog import leases
from storage.catalog.catalog import Catalog
from storage.catalog.compaction import Compactions
from storage.catalog.leases import Lease
from storage.config import ArchiveConfig
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.fleet import shard_status
from storage.model.records import Commit, MailboxUpdate, Merged, Phase, SegmentManifest, User
from storage.segments.file_names import SUFFIXES

_GENERATED = 5000
_LARGEST = 100_000
_LEASE_S = 86_400.0
#: Segments written ahead of the commits, per process.
_AHEAD = 2

T = TypeVar("T")
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """Parameters of a run. times: repetitions of each query. home: folder to keep; None uses a temporary one."""

    mail: tuple[Path, ...] = ()
    messages: int = 100_000
    users: int = 20
    times: int = 200
    processes: int = 2
    home: Path | None = None


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """Results of one run.

    stages_ms: CPU per message of the tasks that write. bytes_per_message: by kind of file, after compaction.
    stored_share: bytes of all files and of the message index in Postgres, per byte of mail.
    merged: messages written by merges, counted once per merge.
    merged_per_core_s: merged messages per second of CPU.
    """

    users: int
    messages: int
    raw_bytes: int
    write_s: float
    written_per_s: float
    stages_ms: dict[str, float]
    written_per_core_s: float
    segments_written: int
    segments: int
    compact_s: float
    merged: int
    merged_per_core_s: float
    bytes_per_message: dict[str, float]
    stored_share: float
    answers: QueryLatencies

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_archive(settings: Settings, plan: ArchivePlan, report: Report) -> ArchiveResult:
    """Write, compact and query an archive.

    Args:
        report: called with (step, done, total).

    Raises:
        BackupError.
    """
    corpus = Corpus.read(plan.mail, _GENERATED)
    with private_home(settings, plan.home) as settings, pool_of(plan.processes, corpus) as pool:
        with open_stores(settings) as stores:
            wanted = sizes(plan.messages, plan.users, _LARGEST)
            users = [stores.control.add_user(f"user-{number:04d}@example.com") for number in range(plan.users)]
            mailboxes = dict(zip((user.user_id for user in users), wanted, strict=True))
            work = Work(stores, users, mailboxes, pool, _AHEAD * plan.processes)
            started = time.monotonic()
            written = work.write(report)
            write_s = time.monotonic() - started
            started = time.monotonic()
            merged, merge_cpu_s = work.compact(report)
            compact_s = time.monotonic() - started
            stored = {**_stored(stores), "index": _index_bytes(stores)}
            live = sum(shard["segments"] for shard in shard_status.shards(stores.databases, stores.shards))
        report("asking", 0, 1)
        ids = {
            user_id: [message_id(user_id, n) for n in range(0, size, 1 + size // 500)]
            for user_id, size in mailboxes.items()
        }
        with multiprocessing.get_context("spawn").Pool(1) as fresh:
            answers = fresh.apply(ask_all, (settings, users, users[0], ids, plan.times))
    cpu_s = sum(written.cpu_s.values())
    return ArchiveResult(
        users=plan.users,
        messages=plan.messages,
        raw_bytes=written.raw_bytes,
        write_s=round(write_s, 1),
        written_per_s=round(plan.messages / write_s, 1),
        stages_ms=figures.per_message_ms(written.cpu_s, plan.messages),
        written_per_core_s=round(plan.messages / cpu_s, 1),
        segments_written=written.segments,
        segments=live,
        compact_s=round(compact_s, 1),
        merged=merged,
        merged_per_core_s=round(merged / merge_cpu_s, 1) if merge_cpu_s else 0.0,
        bytes_per_message={kind: round(size / plan.messages, 1) for kind, size in stored.items()},
        stored_share=round(sum(stored.values()) / written.raw_bytes, 4),
        answers=answers,
    )


@dataclass(slots=True)
class _Written:
    cpu_s: Counter[str]
    raw_bytes: int = 0
    segments: int = 0


class Work:
    """Writes and compacts the archive, shard by shard."""

    def __init__(
        self,
        stores: Stores,
        users: Sequence[User],
        mailboxes: dict[int, int],
        pool: ProcessPoolExecutor,
        ahead: int,
    ) -> None:
        self._stores, self._pool, self._mailboxes, self._ahead = stores, pool, mailboxes, ahead
        self._archive = stores.config.archive
        self._users: defaultdict[int, list[User]] = defaultdict(list)
        for user in users:
            self._users[user.shard_id].append(user)
        self._leases: dict[int, Lease] = {}
        for shard_id, members in self._users.items():
            catalog = self._catalog(shard_id)
            self._leases[shard_id] = leases.acquire(catalog.engine, shard_id, "bench", "bench", _LEASE_S)
            for user in members:
                catalog.open_mailbox(shard_id, user.user_id, user.email)

    def release(self) -> None:
        """Release the leases of the shards."""
        for shard_id, lease in self._leases.items():
            leases.release(self._catalog(shard_id).engine, lease)

    def write(self, report: Report) -> _Written:
        """Write and commit every segment."""
        written, done, all_of_them = _Written(Counter()), 0, sum(self._mailboxes.values())
        for shard_id, manifest, index, cpu_s in _in_turn(self._pool, self._writes(), self._ahead):
            self._commit(shard_id, manifest, index)
            written.cpu_s.update(cpu_s)
            written.raw_bytes += manifest.size_bytes
            written.segments += 1
            done += manifest.messages
            report("writing", done, all_of_them)
        return written

    def _writes(self) -> "Iterator[tuple[Callable[..., _Segment], tuple[object, ...]]]":
        for shard_id, members in sorted(self._users.items()):
            wanted = [(user.user_id, self._mailboxes[user.user_id]) for user in members]
            for number, shares in enumerate(segments(wanted, self._archive.segment_messages)):
                epoch = self._leases[shard_id].epoch
                yield _write, (self._archive, shard_id, epoch, tuple(shares), shard_id * 1_000_003 + number)

    def _commit(self, shard_id: int, manifest: SegmentManifest, index: pa.Table) -> None:
        updates = tuple(
            MailboxUpdate(user.user_id, Phase.CURRENT, 1, None, self._mailboxes[user.user_id], synced=True)
            for user in manifest.users
        )
        lease = self._leases[shard_id]
        plan = Commit(shard_id, lease.owner, lease.epoch, manifest, updates)
        assert self._catalog(shard_id).commit(plan, index)

    def compact(self, report: Report) -> tuple[int, float]:
        """Merge until the policy has nothing to merge. Return the merged messages and the CPU seconds."""
        waiting = deque(sorted(self._users))
        running: dict[int, Future[tuple[Merged, pa.Table, float]]] = {}
        merged, cpu_s = 0, 0.0
        while waiting or running:
            while waiting:
                shard_id = waiting.popleft()
                chosen = choose(self._compactions(shard_id).live(shard_id), self._archive)
                if chosen:
                    names = {segment.name: segment.analysis for segment in chosen}
                    epoch = self._leases[shard_id].epoch
                    running[shard_id] = self._pool.submit(_compact, self._archive, shard_id, epoch, names)
            for shard_id, future in list(running.items()):
                result, moved, used = future.result()
                del running[shard_id]
                assert result.segment is not None, result.excluded
                assert self._compactions(shard_id).commit(self._leases[shard_id], result, moved)
                merged += result.segment.messages
                cpu_s += used
                waiting.append(shard_id)
                report("compacting", merged, merged)
        return merged, cpu_s

    def _catalog(self, shard_id: int) -> Catalog:
        return Catalog(self._stores.databases.shard_database(self._stores.shards[shard_id]))

    def _compactions(self, shard_id: int) -> Compactions:
        return Compactions(self._stores.databases.shard_database(self._stores.shards[shard_id]))


_Segment = tuple[int, SegmentManifest, pa.Table, dict[str, float]]

_corpus: list[Corpus] = []


def _remember(corpus: Corpus) -> None:
    _corpus.append(corpus)


def _write(archive: ArchiveConfig, shard_id: int, epoch: int, shares: tuple[Share, ...], seed: int) -> _Segment:
    """Write one segment in a process of the pool. Resampling is not measured."""
    mail = _corpus[0].deal(shares, seed)
    cpu_timer.take()
    started = time.process_time()
    manifest, index = write_segment(archive, shard_id, epoch, [mail])
    used, cpu_s = time.process_time() - started, cpu_timer.take()
    cpu_s["rest"] = used - sum(cpu_s.values())
    assert manifest is not None and manifest.messages == total(shares)
    return shard_id, manifest, index, cpu_s


def _compact(
    archive: ArchiveConfig, shard_id: int, epoch: int, segments: Mapping[str, str | None]
) -> tuple[Merged, pa.Table, float]:
    started = time.process_time()
    merged, moved = compact(archive, shard_id, epoch, segments)
    return merged, moved, time.process_time() - started


def _in_turn(
    pool: ProcessPoolExecutor, work: Iterator[tuple[Callable[..., T], tuple[object, ...]]], most: int
) -> Iterator[T]:
    """Yield results in order, at most `most` ahead, because uncommitted segments are held in memory."""
    ahead: deque[Future[T]] = deque()
    for function, arguments in work:
        ahead.append(pool.submit(function, *arguments))
        if len(ahead) > most:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


@contextmanager
def pool_of(processes: int, corpus: Corpus) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that write and merge this mail."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _remember, (corpus,)) as pool:
        yield pool


def _index_bytes(stores: Stores) -> int:
    """Bytes of the message index and its indexes in all shard databases."""
    size_bytes = 0
    for database in range(stores.databases.shard_databases):
        with transaction(stores.databases.shard_database(database)) as connection:
            size_bytes += connection.execute(query("bench/index_bytes")).scalar_one()
    return size_bytes


def _stored(stores: Stores) -> dict[str, int]:
    """Bytes by kind of file, of all live segments."""
    names = {
        segment.name
        for shard_id in stores.shards
        for segment in Compactions(stores.databases.shard_database(stores.shards[shard_id])).live(shard_id)
    }
    size_bytes_by_kind: Counter[str] = Counter()
    for shard_id in stores.shards:
        for file in stores.blobs.list(f"{shard_id:04d}"):
            for suffix in SUFFIXES:
                if file.name.endswith(suffix) and file.name.removesuffix(suffix) in names:
                    size_bytes_by_kind[suffix.lstrip(".")] += file.size_bytes
    return dict(size_bytes_by_kind)
