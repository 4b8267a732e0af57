"""The stateless work of jobs/ as Ray tasks. The only module of jobs/ that imports Ray.

Expected errors are returned as values (`BackupError`), because a small receipt must arrive even if the mail does not;
the death of a worker is reported by Ray. Nothing is retried here: the shard decides, because every retry costs quota.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import pyarrow as pa
import ray

from jobs import compaction, intake, processing
from jobs.gmail.client import client_of
from jobs.gmail.config import GmailConfig
from jobs.gmail.records import HistoryPage, Label, MessagePage, Profile, Watching
from jobs.gmail.sealed_token import SealedToken
from jobs.isolation.config import ParseLimits
from jobs.reanalysis import Analysers, reanalyse
from storage.config import ArchiveConfig
from storage.cpu_timer import stage, take
from storage.errors import BackupError
from storage.files import file_format
from storage.files.blobs import archive_error
from storage.model.records import AnalysisManifest, Merged, SegmentManifest

T = TypeVar("T")

#: A fetch waits for the network half of its time; a process task does not wait. Each concurrent task needs a worker
#: process of 170 MB and two seconds of CPU to start, so the fractions are no smaller.
_FETCH = {"num_cpus": 0.5, "max_retries": 0, "num_returns": 2}
_ASK = {"num_cpus": 0.5, "max_retries": 0}
#: A merge yields the CPU to others (jobs/compaction.py), and a shard runs at most one, so a merge must not occupy their
#: slots.
_COMPACT = {"num_cpus": 0.1, "max_retries": 0, "num_returns": 2}
#: The same for analysing stored mail again.
_ANALYSE = {"num_cpus": 0.1, "max_retries": 0}
_PROCESS = {"num_cpus": 1, "max_retries": 0, "num_returns": 2}


@dataclass(frozen=True, slots=True)
class Timed(Generic[T]):
    """A task's result, and its CPU seconds by stage."""

    answer: T
    cpu_s: dict[str, float]


def _answer(work: Callable[[], T], name: str = "list") -> Timed[T | BackupError]:
    answer: T | BackupError
    try:
        with stage(name):
            answer = work()
    except BackupError as exc:
        answer = exc
    return Timed(answer, take())


def _secret(token: SealedToken) -> str:
    return token.open().get_secret_value()


@ray.remote(**_ASK)
def pin(config: GmailConfig, token: SealedToken) -> Timed[tuple[Profile, list[Label]] | BackupError]:
    """The mailbox's profile, then its labels."""
    return _answer(lambda: (client_of(config).profile(_secret(token)), client_of(config).labels(_secret(token))))


@ray.remote(**_ASK)
def list_page(
    config: GmailConfig, token: SealedToken, page_token: str | None, label_id: str | None
) -> Timed[MessagePage | BackupError]:
    """One page of the listing (of a label's messages), Spam and Trash included."""
    labels = [label_id] if label_id else ()
    return _answer(lambda: client_of(config).list_messages(_secret(token), page_token, labels))


@ray.remote(**_ASK)
def watch(config: GmailConfig, token: SealedToken, topic: str) -> Timed[Watching | BackupError]:
    """Start Gmail's push notifications for the mailbox."""
    return _answer(lambda: client_of(config).watch(_secret(token), topic))


@ray.remote(**_ASK)
def confirm(
    config: GmailConfig, token: SealedToken, since: int, label_id: str | None
) -> Timed[intake.Confirmation | BackupError]:
    """What a second source says of a listing."""
    return _answer(lambda: intake.confirm(config, _secret(token), since, label_id))


@ray.remote(**_ASK)
def labels(config: GmailConfig, token: SealedToken) -> Timed[list[Label] | BackupError]:
    """How the mailbox's labels are defined."""
    return _answer(lambda: client_of(config).labels(_secret(token)))


@ray.remote(**_ASK)
def history(
    config: GmailConfig, token: SealedToken, start: int, page_token: str | None
) -> Timed[HistoryPage | BackupError]:
    """One page of the changes since a history id."""
    return _answer(lambda: client_of(config).history(_secret(token), start, page_token))


@ray.remote(**_FETCH)
def fetch(
    config: GmailConfig, archive: ArchiveConfig, token: SealedToken, user_id: int, message_ids: Sequence[int]
) -> tuple[Timed[intake.FetchReceipt | BackupError], pa.Table | None]:
    """Fetch a batch; the second value is the mail, which stays in the object store."""
    timed = _answer(lambda: intake.fetch(config, _secret(token), user_id, message_ids, archive), "fetch")
    if isinstance(timed.answer, BackupError):
        return Timed(timed.answer, timed.cpu_s), None
    receipt, mail = timed.answer
    return Timed(receipt, timed.cpu_s), mail


@ray.remote(**_PROCESS)
def write_segment(
    archive: ArchiveConfig,
    formats: Mapping[str, int],
    shard_id: int,
    epoch: int,
    skip: frozenset[tuple[int, int]],
    analysers: Analysers | None,
    limits: ParseLimits,
    isolated: bool,
    *tables: pa.Table,
) -> tuple[Timed[SegmentManifest | BackupError | None], pa.Table | None]:
    """Write a segment of fetched mail; the second value is its message index.

    Args:
        formats: as `file_format.agreed`.
        isolated: a worker was lost on this mail; parse every message in a child process.
    """
    file_format.agree(formats)
    answer: SegmentManifest | BackupError | None
    try:
        answer, index = processing.write_segment(
            archive,
            shard_id,
            epoch,
            tables,
            skip,
            analysers.of_new_mail if analysers else None,
            limits,
            isolated,
        )
    except BackupError as exc:
        answer, index = exc, None
    except OSError as exc:
        answer, index = archive_error(archive.uri, exc), None
    return Timed(answer, take()), index


@ray.remote(**_COMPACT)
def compact(
    archive: ArchiveConfig, formats: Mapping[str, int], shard_id: int, epoch: int, segments: Mapping[str, str | None]
) -> tuple[Timed[Merged | BackupError], pa.Table | None]:
    """Merge segments; the second value is the re-packed messages. formats: as `file_format.agreed`."""
    file_format.agree(formats)

    def work() -> tuple[Timed[Merged | BackupError], pa.Table | None]:
        try:
            merged, moved = compaction.compact(archive, shard_id, epoch, segments)
        except BackupError as exc:
            return Timed(exc, take()), None
        return Timed(merged, take()), moved

    return compaction.run_low_priority(work)


@ray.remote(**_ANALYSE)
def analyse(
    archive: ArchiveConfig,
    formats: Mapping[str, int],
    segment: str,
    epoch: int,
    old: str | None,
    names: Sequence[str],
    analysers: Analysers,
    limits: ParseLimits,
) -> Timed[AnalysisManifest | BackupError]:
    """Analyse a segment again. formats: as `file_format.agreed`."""
    file_format.agree(formats)

    def work() -> Timed[AnalysisManifest | BackupError]:
        answer: AnalysisManifest | BackupError
        try:
            answer = reanalyse(archive, segment, epoch, old, names, analysers, limits)
        except BackupError as exc:
            answer = exc
        return Timed(answer, take())

    return compaction.run_low_priority(work)
