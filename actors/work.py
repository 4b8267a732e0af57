"""The port for an owner's stateless work: Ray tasks in a cluster, threads in tests.

Expected errors are raised as `BackupError`; `WorkLost` means that the outcome is unknown.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol, TypeVar

import pyarrow as pa
from pydantic import SecretStr

from jobs import intake, processing
from jobs.compaction import compact, run_low_priority
from jobs.gmail.client import client_of
from jobs.gmail.config import GmailConfig
from jobs.gmail.records import HistoryPage, Label, MessagePage, Profile, Watching
from jobs.reanalysis import Analysers, reanalyse
from storage.config import ArchiveConfig
from storage.errors import BackupError
from storage.model.records import AnalysisManifest, Merged, SegmentManifest

T = TypeVar("T")
#: The decision that the current asyncio task carries out: `Work.unbegun` names it.
PURPOSE: ContextVar[object] = ContextVar("PURPOSE", default=None)


class WorkLost(BackupError):
    """A worker died with its work. Repeat the work."""

    def __init__(self, reason: str, mail_lost: bool = False) -> None:
        super().__init__(reason, mail_lost)
        self.reason, self.mail_lost = reason, mail_lost

    def __str__(self) -> str:
        return f"A worker died ({self.reason}): retry its work."


class Work(Protocol):
    """Fetching and processing. References are opaque; `table` reads one."""

    async def pin(self, token: SecretStr) -> tuple[Profile, list[Label]]:
        """The mailbox's profile, then its labels."""

    async def list_page(self, token: SecretStr, page_token: str | None, label_id: str | None) -> MessagePage:
        """One page of the listing (of a label's messages), Spam and Trash included."""

    async def confirm(self, token: SecretStr, since: int, label_id: str | None) -> intake.Confirmation:
        """A second source's answer about a listing that began at a history id, of all ids or of a label's."""

    async def labels(self, token: SecretStr) -> list[Label]:
        """The definitions of the mailbox's labels."""

    async def watch(self, token: SecretStr, topic: str) -> Watching:
        """Have Gmail push the mailbox's changes to a Pub/Sub topic."""

    async def history(self, token: SecretStr, start: int, page_token: str | None) -> HistoryPage:
        """One page of the changes since a history id."""

    async def fetch(
        self, token: SecretStr, user_id: int, message_ids: Sequence[int]
    ) -> tuple[intake.FetchReceipt, object]:
        """A receipt, and a reference to the mail."""

    async def write_segment(
        self,
        shard_id: int,
        epoch: int,
        references: Sequence[object],
        skip: frozenset[tuple[int, int]],
        isolated: bool = False,
    ) -> tuple[SegmentManifest | None, object]:
        """A manifest, and a reference to the message index; no manifest when all was skipped.

        Args:
            isolated: this mail could not be written before: parse each message in a child that can be killed.
        """

    async def compact(self, shard_id: int, epoch: int, segments: Mapping[str, str | None]) -> tuple[Merged, object]:
        """The outcome of a merge of these segments, and a reference to the messages that moved individually."""

    @property
    def analysers(self) -> Analysers | None:
        """The analysers of new messages; None: no analysis."""

    async def analyse(self, epoch: int, segment: str, old: str | None, names: Sequence[str]) -> AnalysisManifest:
        """A new analysis of a segment by these analysers; `old` is its present one."""

    async def table(self, reference: object) -> pa.Table:
        """The table behind a reference."""

    async def unbegun(self) -> Collection[object]:
        """The decisions (`PURPOSE`) whose work has waited for a worker for seconds."""


class ThreadWork:
    """Work done by threads of this process; a reference is the table itself."""

    def __init__(self, gmail: GmailConfig, archive: ArchiveConfig, analysers: Analysers | None = None) -> None:
        self._gmail, self._archive, self.analysers = gmail, archive, analysers

    async def pin(self, token: SecretStr) -> tuple[Profile, list[Label]]:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: (client.profile(secret), client.labels(secret)))

    async def list_page(self, token: SecretStr, page_token: str | None, label_id: str | None) -> MessagePage:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: client.list_messages(secret, page_token, [label_id] if label_id else ()))

    async def confirm(self, token: SecretStr, since: int, label_id: str | None) -> intake.Confirmation:
        return await _thread(lambda: intake.confirm(self._gmail, token.get_secret_value(), since, label_id))

    async def labels(self, token: SecretStr) -> list[Label]:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: client.labels(secret))

    async def watch(self, token: SecretStr, topic: str) -> Watching:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: client.watch(secret, topic))

    async def history(self, token: SecretStr, start: int, page_token: str | None) -> HistoryPage:
        client, secret = client_of(self._gmail), token.get_secret_value()
        return await _thread(lambda: client.history(secret, start, page_token))

    async def fetch(
        self, token: SecretStr, user_id: int, message_ids: Sequence[int]
    ) -> tuple[intake.FetchReceipt, object]:
        secret = token.get_secret_value()
        return await _thread(lambda: intake.fetch(self._gmail, secret, user_id, message_ids, self._archive))

    async def write_segment(
        self,
        shard_id: int,
        epoch: int,
        references: Sequence[object],
        skip: frozenset[tuple[int, int]],
        isolated: bool = False,  # noqa: ARG002 - threads of one process parse as always
    ) -> tuple[SegmentManifest | None, object]:
        analyse = self.analysers.of_new_mail if self.analysers else None
        return await _thread(
            lambda: processing.write_segment(self._archive, shard_id, epoch, list(references), skip, analyse)
        )

    async def compact(self, shard_id: int, epoch: int, segments: Mapping[str, str | None]) -> tuple[Merged, object]:
        return await _thread(lambda: run_low_priority(lambda: compact(self._archive, shard_id, epoch, segments)))

    async def analyse(self, epoch: int, segment: str, old: str | None, names: Sequence[str]) -> AnalysisManifest:
        analysers = self.analysers
        assert analysers is not None, "nobody names analysers that there are not"
        return await _thread(
            lambda: run_low_priority(lambda: reanalyse(self._archive, segment, epoch, old, names, analysers))
        )

    async def table(self, reference: object) -> pa.Table:
        return reference

    async def unbegun(self) -> Collection[object]:
        return ()


async def _thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)
