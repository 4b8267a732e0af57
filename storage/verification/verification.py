"""Verifies a mailbox, or all mailboxes of a shard: files, messages and the message index, "N of N".

The backup may go on meanwhile: segments that appear are verified as well, and what is said of segments that were merged
meanwhile is dropped. Reads segments by a few threads: hashing and decompressing release the interpreter's lock.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from storage.catalog.file_digests import record_digests, recorded_digests
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.files import kept_answers
from storage.files.blobs import FileMissing, LocalBlobs
from storage.files.kept_answers import KeptAnswers
from storage.segments.file_names import PARQUET_SUFFIX, ROLLUP_SUFFIX
from storage.verification import index
from storage.verification.files import Damage, OnBytes
from storage.verification.segments import Checked, FileCheck, SegmentRow

_T = TypeVar("_T")
_INDEX = "message index"
#: Times that the segments are listed again because the backup went on.
_ROUNDS = 50


@dataclass(slots=True)
class MailboxVerified:
    """messages: number in the message index, of the part that was verified; intact: those that are whole.

    damaged: ids of the others: their bytes are not what was stored, the index says something else, or no file has them.
    """

    messages: int = 0
    intact: int = 0
    damaged: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Verified:
    """What a verification found. fresh: number of sound files whose digest is recorded since."""

    mailboxes: dict[int, MailboxVerified] = field(default_factory=dict)
    damaged: list[Damage] = field(default_factory=list)
    files: int = 0
    stored_bytes: int = 0
    mail_bytes: int = 0
    fresh: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether everything is what was stored."""
        return not self.damaged and all(box.intact == box.messages for box in self.mailboxes.values())


@dataclass(frozen=True, slots=True)
class Subset:
    """Part `number` of `parts`, from 1: files are in a part by their name."""

    number: int
    parts: int

    def has(self, name: str) -> bool:
        """Whether the file or segment belongs to this part."""
        return zlib.crc32(name.encode()) % self.parts == self.number - 1


@dataclass(slots=True)
class _Segment:
    """A verified segment. compared: per user."""

    row: SegmentRow
    checked: Checked
    compared: dict[int, index.Compared]


class Verification:
    """Verifies one shard, or one mailbox of it."""

    def __init__(
        self,
        engine: Engine,
        blobs: LocalBlobs,
        shard_id: int,
        user_id: int | None = None,
        subset: Subset | None = None,
        on_bytes: OnBytes = lambda _: None,
        threads: int = 2,
    ) -> None:
        self._engine, self._blobs, self._shard_id, self._user_id = engine, blobs, shard_id, user_id
        self._subset, self._on_bytes, self._threads = subset, on_bytes, threads
        self._segments: dict[str, _Segment] = {}
        self._unread: set[str] = set()  # segments that were committed after the last look

    def size_bytes(self) -> int:
        """Bytes to read, as far as is known before."""
        return sum(sum(row.files().values()) for row in self._live()) + sum(size for _, size in self._beside())

    def run(self) -> Verified:
        """Verify everything; damage is found and named, never raised.

        Raises:
            DatabaseUnreachable, OSError: it cannot be told.
        """
        verified = Verified()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="verify") as threads:
            for checked in _bounded(threads, self._other_checks(), 2 * self._threads):
                self._count(verified, checked)
            for number in range(_ROUNDS):
                work = (partial(self._segment, row) for row in self._live() if self._unknown(row))
                for segment in _bounded(threads, work, 2 * self._threads):
                    self._segments[segment.row.name] = segment
                standing, users, sizes = self._snapshot()
                if not self._unread or number == _ROUNDS - 1:
                    break
        for segment in standing:
            self._count(verified, segment.checked)
            self._indexed(verified, segment)
        for user_id in sorted(users):
            self._complete(verified, user_id, sizes[user_id], standing)
        return verified

    def _snapshot(self) -> tuple[list[_Segment], set[int], Mapping[int, int]]:
        """The verified segments that are live at one moment, the users, and the sizes of their message indexes then."""
        with index.snapshot(self._engine) as connection:
            live = {row.name for row in self._chosen(index.live_segments(connection, self._shard_id, self._user_id))}
            self._unread = live - self._segments.keys()
            standing = [self._segments[name] for name in sorted(live & self._segments.keys())]
            users = {user_id for segment in standing for user_id in segment.compared}
            if self._user_id is None:
                rows = connection.execute(query("mailboxes_of_shard"), {"shard_id": self._shard_id})
                users |= {row.user_id for row in rows}
            else:
                users = {self._user_id}
            return standing, users, index.index_sizes(connection, users)

    # ---- what there is

    def _live(self) -> list[SegmentRow]:
        with transaction(self._engine) as connection:
            return list(self._chosen(index.live_segments(connection, self._shard_id, self._user_id)))

    def _chosen(self, rows: Iterable[SegmentRow]) -> Iterator[SegmentRow]:
        return (row for row in rows if self._subset is None or self._subset.has(row.name))

    def _unknown(self, row: SegmentRow) -> bool:
        """Whether a segment, or its analysis, has not been verified."""
        known = self._segments.get(row.name)
        return known is None or known.row.analysis != row.analysis

    def _beside(self) -> Iterator[tuple[str, int]]:
        """Roll-ups of the shard, and answers about messages that could not be stored: names and sizes."""
        folders = [f"{self._shard_id:04d}"]
        if self._user_id is not None:
            folders.append(f"{kept_answers.FOLDER}/{self._user_id}")
        else:
            with transaction(self._engine) as connection:
                rows = connection.execute(query("mailboxes_of_shard"), {"shard_id": self._shard_id})
                folders += [f"{kept_answers.FOLDER}/{row.user_id}" for row in rows]
        for folder in folders:
            for blob in self._blobs.list(folder):
                wanted = blob.name.endswith((ROLLUP_SUFFIX, kept_answers.SUFFIX))
                if wanted and (self._subset is None or self._subset.has(blob.name)):
                    yield blob.name, blob.size_bytes

    # ---- looks

    def _other_checks(self) -> Iterator[Callable[[], Checked]]:
        with transaction(self._engine) as connection:
            rows = connection.execute(query("rollup_names"), {"shard_id": self._shard_id})
            recorded = {name + ROLLUP_SUFFIX for name in rows.scalars()}
        there = dict(self._beside())
        lost = {name for name in recorded - there.keys() if self._subset is None or self._subset.has(name)}
        for name in sorted(there.keys() | lost):
            yield partial(self._rollup if name.endswith(ROLLUP_SUFFIX) else self._answer, name)

    def _rollup(self, name: str) -> Checked:
        return self._recording(
            FileCheck(self._blobs, recorded_digests(self._engine, [name]), self._on_bytes).rollup(name)
        )

    def _answer(self, name: str) -> Checked:
        checked = Checked()
        try:
            if (reason := KeptAnswers(self._blobs).damage(name)) is not None:
                checked.damaged.append(Damage(name, reason))
            checked.files, checked.stored_bytes = 1, self._blobs.size(name)
        except FileMissing:  # its message was stored meanwhile
            return Checked()
        self._on_bytes(checked.stored_bytes)
        return checked

    def _segment(self, row: SegmentRow) -> _Segment:
        digests = recorded_digests(self._engine, list(row.files()))
        checked = FileCheck(self._blobs, digests, self._on_bytes).segment(row, lambda: self._by_index(row))
        compared = {}
        if checked.keys is not None:
            users = pc.unique(checked.keys["user_id"]).to_pylist()
            for user_id in users if self._user_id is None else [self._user_id]:
                mine = checked.keys.filter(pc.equal(checked.keys["user_id"], user_id))
                compared[user_id] = index.compare(self._engine, row.name, user_id, mine)
            checked.keys = checked.keys.select(["user_id", "message_id"])
        return _Segment(row, self._recording(checked), compared)

    def _by_index(self, row: SegmentRow) -> pa.Table:
        with transaction(self._engine) as connection:
            values = {"segment_id": row.segment_id}
            users = list(connection.execute(query("users_of_segment"), values).scalars())
        return index.indexed(self._engine, row.name, users)

    def _recording(self, checked: Checked) -> Checked:
        if checked.fresh:
            with transaction(self._engine) as connection:
                record_digests(connection, self._shard_id, checked.fresh, as_written=False)
        return checked

    # ---- counting

    def _count(self, verified: Verified, checked: Checked) -> None:
        verified.damaged += checked.damaged
        verified.files += checked.files
        verified.stored_bytes += checked.stored_bytes
        verified.mail_bytes += checked.mail_bytes
        verified.fresh += len(checked.fresh)

    def _indexed(self, verified: Verified, segment: _Segment) -> None:
        lost = segment.checked.lost
        for user_id, compared in segment.compared.items():
            mailbox = verified.mailboxes.setdefault(user_id, MailboxVerified())
            gone = lost.get(user_id, set())
            wrong = {*compared.differ, *compared.unknown}
            mailbox.damaged |= wrong | gone
            mailbox.intact += compared.agree - len(gone - wrong)
            if compared.differ:
                reason = f"the message index says otherwise than {segment.row.name}{PARQUET_SUFFIX}"
                verified.damaged.append(Damage(_INDEX, reason, {user_id: compared.differ}))
            if compared.unknown:
                reason = f"the message index lacks messages of {segment.row.name}{PARQUET_SUFFIX}"
                verified.damaged.append(Damage(_INDEX, reason, {user_id: compared.unknown}))

    def _complete(self, verified: Verified, user_id: int, indexed: int, standing: Sequence[_Segment]) -> None:
        """Find the index's rows that no file has; without them, files and index have the same messages."""
        mailbox = verified.mailboxes.setdefault(user_id, MailboxVerified())
        if self._subset is not None:
            mailbox.messages = mailbox.intact + len(mailbox.damaged)
            return
        mailbox.messages = indexed
        known = sum(
            compared.agree + len(compared.differ)
            for segment in standing
            if (compared := segment.compared.get(user_id)) is not None
        )
        if known == indexed:
            return
        lost: dict[str | None, list[int]] = {}
        for name, message_id in index.without_file(self._engine, user_id, _ids(standing, user_id)):
            lost.setdefault(name, []).append(message_id)
        for name, ids in lost.items():
            if name in self._unread:  # committed meanwhile: the next verification reads it
                continue
            mailbox.damaged.update(ids)
            where = f"{name}{PARQUET_SUFFIX}" if name else "every segment"
            if not any(_tells(damage, user_id, ids) for damage in verified.damaged):
                reason = f"it has messages that {where} lacks"
                verified.damaged.append(Damage(_INDEX, reason, {user_id: ids}))


def _tells(damage: Damage, user_id: int, ids: Sequence[int]) -> bool:
    return set(ids) <= set(damage.messages.get(user_id, ()))


def _ids(standing: Sequence[_Segment], user_id: int) -> Mapping[str, pa.Array]:
    found = {}
    for segment in standing:
        if (keys := segment.checked.keys) is not None:
            found[segment.row.name] = keys.filter(pc.equal(keys["user_id"], user_id))["message_id"].combine_chunks()
    return found


def _bounded(threads: ThreadPoolExecutor, work: Iterable[Callable[[], _T]], most: int) -> Iterator[_T]:
    """The results of work in its order; at most so many are begun ahead."""
    begun: list[Future[_T]] = []
    for one in work:
        begun.append(threads.submit(one))
        if len(begun) == most:
            yield begun.pop(0).result()
    for future in begun:
        yield future.result()
