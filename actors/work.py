"""The stateless work that an owner has done for it, as a port: Ray tasks in a cluster, threads in tests.

Expected errors are raised as `BackupError`; `WorkLost` says that nobody knows what became of the work.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import pyarrow as pa
from pydantic import SecretStr

from jobs import intake, processing
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.running import analysing
from jobs.compaction import compact, politely
from jobs.gmail.client import client_of
from jobs.gmail.config import GmailConfig
from jobs.gmail.records import HistoryPage, Label, MessagePage, Profile, Watching
from storage.config import ArchiveConfig
from storage.errors import BackupError
from storage.records import Merged, SegmentManifest

T = TypeVar("T")


class WorkLost(BackupError):
    """A worker died with its work. Have it done again."""

    def __init__(self, reason: str, mail_lost: bool = False) -> None:
        super().__init__(reason, mail_lost)
        self.reason, self.mail_lost = reason, mail_lost

    def __str__(self) -> str:
        return f"A worker was lost ({self.reason}): its work is done again."


class Work(Protocol):
    """Fetching and processing. References are opaque: whoever made one can read it (`table`)."""

    async def pin(self, token: SecretStr) -> tuple[Profile, list[Label]]:
        """The mailbox's profile, then its labels."""

    async def list_page(self, token: SecretStr, page_token: str | None, label_id: str | None) -> MessagePage:
        """One page of the listing (of a label's messages), Spam and Trash included."""

    async def watch(self, token: SecretStr, topic: str) -> Watching:
        """Have Gmail push the mailbox's changes to a Pub/Sub topic."""

    async def history(self, token: SecretStr, start: int, page_token: str | None) -> HistoryPage:
        """One page of what changed since a history id."""

    async def fetch(
        self, token: SecretStr, user_id: int, message_ids: Sequence[int]
    ) -> tuple[intake.FetchReceipt, object]:
        """A receipt, and a reference to the mail."""

    async def write_segment(
        self, shard_id: int, epoch: int, references: Sequence[object], skip: frozenset[tuple[int, int]]
    ) -> tuple[SegmentManifest | None, object]:
        """A manifest, and a reference to the message index; no manifest when all was skipped."""

    async def compact(self, shard_id: int, epoch: int, segments: Mapping[str, str | None]) -> tuple[Merged, object]:
        """What became of a merge of these segments, and a reference to the messages that moved one by one."""

    async def table(self, reference: object) -> pa.Table:
        """The table behind a reference."""


class ThreadWork:
    """The work done by threads of this process; a reference is the table itself."""

    def __init__(self, gmail: GmailConfig, archive: ArchiveConfig, analysis: AnalysisConfig = AnalysisConfig()) -> None:  # noqa: B008 - a frozen value
        self._gmail, self._archive, self._analyse = gmail, archive, analysing(analysis)

    async def pin(self, token: SecretStr) -> tuple[Profile, list[Label]]:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: (client.profile(secret), client.labels(secret)))

    async def list_page(self, token: SecretStr, page_token: str | None, label_id: str | None) -> MessagePage:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: client.list_messages(secret, page_token, [label_id] if label_id else ()))

    async def watch(self, token: SecretStr, topic: str) -> Watching:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: client.watch(secret, topic))

    async def history(self, token: SecretStr, start: int, page_token: str | None) -> HistoryPage:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: client.history(secret, start, page_token))

    async def fetch(
        self, token: SecretStr, user_id: int, message_ids: Sequence[int]
    ) -> tuple[intake.FetchReceipt, object]:
        return await _thread(lambda: intake.fetch(self._gmail, token.get_secret_value(), user_id, message_ids))

    async def write_segment(
        self, shard_id: int, epoch: int, references: Sequence[object], skip: frozenset[tuple[int, int]]
    ) -> tuple[SegmentManifest | None, object]:
        tables, analyse = list(references), self._analyse
        return await _thread(lambda: processing.write_segment(self._archive, shard_id, epoch, tables, skip, analyse))

    async def compact(self, shard_id: int, epoch: int, segments: Mapping[str, str | None]) -> tuple[Merged, object]:
        return await _thread(lambda: politely(lambda: compact(self._archive, shard_id, epoch, segments)))

    async def table(self, reference: object) -> pa.Table:
        return reference


async def _thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)
