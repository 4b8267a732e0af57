"""The package's stateless work as Ray tasks. The only file of jobs/ that knows Ray.

Errors that we expect come back as values (`BackupError`), because a small receipt must arrive even when the mail did
not; what a worker dies of is Ray's to tell. Nothing is retried here: the shard decides, and every retry pays.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pyarrow as pa
import ray
from pydantic import SecretStr

from jobs import intake, processing
from jobs.gmail.client import client_of
from jobs.gmail.config import GmailConfig
from jobs.gmail.records import HistoryPage, Label, MessagePage, Profile
from storage.blobs import ArchiveUnusable
from storage.config import ArchiveConfig
from storage.errors import BackupError
from storage.records import SegmentManifest

T = TypeVar("T")

#: A fetch waits for the network half of its time; a process task does not. What runs at a time needs a process each of
#: 170 MB and two seconds of CPU to start, so fractions are no smaller than that.
_FETCH = {"num_cpus": 0.5, "max_retries": 0, "num_returns": 2}
_ASK = {"num_cpus": 0.25, "max_retries": 0}
_PROCESS = {"num_cpus": 1, "max_retries": 0, "num_returns": 2}


def _answer(work: Callable[[], T]) -> T | BackupError:
    try:
        return work()
    except BackupError as exc:
        return exc


@ray.remote(**_ASK)
def pin(config: GmailConfig, token: SecretStr) -> tuple[Profile, list[Label]] | BackupError:
    """The mailbox's profile, then its labels."""
    client, secret = client_of(config), token.get_secret_value()
    return _answer(lambda: (client.profile(secret), client.labels(secret)))


@ray.remote(**_ASK)
def list_page(config: GmailConfig, token: SecretStr, page_token: str | None) -> MessagePage | BackupError:
    """One page of the listing, Spam and Trash included."""
    return _answer(lambda: client_of(config).list_messages(token.get_secret_value(), page_token))


@ray.remote(**_ASK)
def history(config: GmailConfig, token: SecretStr, start: int, page_token: str | None) -> HistoryPage | BackupError:
    """One page of what changed since a history id."""
    return _answer(lambda: client_of(config).history(token.get_secret_value(), start, page_token))


@ray.remote(**_FETCH)
def fetch(
    config: GmailConfig, token: SecretStr, user_id: int, message_ids: Sequence[int]
) -> tuple[intake.FetchReceipt | BackupError, pa.Table | None]:
    """Fetch a batch; the second value is the mail, which stays in the object store."""
    answer = _answer(lambda: intake.fetch(config, token.get_secret_value(), user_id, message_ids))
    return (answer, None) if isinstance(answer, BackupError) else answer


@ray.remote(**_PROCESS)
def write_segment(
    archive: ArchiveConfig, shard_id: int, epoch: int, skip: frozenset[tuple[int, int]], *tables: pa.Table
) -> tuple[SegmentManifest | BackupError | None, pa.Table | None]:
    """Write a segment of fetched mail; the second value is its message index."""
    try:
        return processing.write_segment(archive, shard_id, epoch, tables, skip)
    except BackupError as exc:
        return exc, None
    except OSError as exc:
        return ArchiveUnusable(archive.uri, exc.strerror or str(exc)), None
