"""Verifies mailboxes against the archive, and against Gmail; makes the report of it."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cluster.console import count, notes
from cluster.gmail_comparison import Differences, compare, gmail_reader, stored, units_of
from cluster.session import joined
from cluster.stores import Stores
from jobs.rendering.units import size
from storage.files.blobs import LocalBlobs
from storage.model.message_id import to_hex
from storage.model.records import User
from storage.verification.repair import repaired
from storage.verification.verification import Subset, Verification, Verified
from storage.version import VERSION

#: Hashing and decompressing release the interpreter's lock; more threads than this would wait for the disk.
_MOST_THREADS = 4


@dataclass(slots=True)
class Report:
    """What was verified. subset: the part; None: everything. repaired: files replaced from a copy."""

    archive: str
    subset: Subset | None
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    verified: list[tuple[Sequence[User], Verified]] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    gmail: list[tuple[User, Differences]] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged, and Gmail has nothing else."""
        return all(each.is_whole for _, each in self.verified) and all(each.are_none for _, each in self.gmail)

    def document(self) -> dict[str, Any]:
        """For `--json` and `--report`: everything by name, no list shortened."""
        done = [each for _, each in self.verified]
        return {
            "program": f"gbm {VERSION}",
            "archive": self.archive,
            "began_at": self.began_at,
            "ended_at": datetime.now(UTC),
            "intact": self.is_whole,
            "part": f"{self.subset.number}/{self.subset.parts}" if self.subset else None,
            "files": sum(each.files for each in done),
            "stored_bytes": sum(each.stored_bytes for each in done),
            "mail_bytes": sum(each.mail_bytes for each in done),
            "digests_recorded": sum(each.fresh for each in done),
            "mailboxes": [mailbox for users, each in self.verified for mailbox in _mailboxes(users, each)],
            "damaged": [damage for users, each in self.verified for damage in _damaged(users, each)],
            "repaired": self.repaired,
            "gmail": [_differences(user, each) for user, each in self.gmail],
        }


def verify(stores: Stores, user: User | None, subset: Subset | None, copy: LocalBlobs | None) -> Report:
    """Verify a mailbox, or all. copy: another copy of the archive, to repair damaged files from.

    Raises:
        DatabaseUnreachable, OSError.
    """
    report = Report(stores.config.archive.uri, subset)
    users = [user] if user else stores.control.users()
    for shard_id in sorted({each.shard_id for each in users} if user else stores.shards):
        engine = stores.databases.shard_database(stores.shards[shard_id])
        mine = [each for each in users if each.shard_id == shard_id]
        found = _verified(stores, shard_id, user, subset)
        if copy is not None and found.damaged:
            mended = list(repaired(engine, stores.blobs, copy, [each.file for each in found.damaged]))
            report.repaired += mended
            if mended:
                found = _verified(stores, shard_id, user, subset)
        report.verified.append((mine, found))
    return report


def _verified(stores: Stores, shard_id: int, user: User | None, subset: Subset | None) -> Verified:
    engine = stores.databases.shard_database(stores.shards[shard_id])
    with _bar(f"Verifying {user.email}" if user else f"Verifying shard {shard_id}") as (bar, task):
        lock, done = Lock(), [0]

        def on_bytes(size_bytes: int) -> None:
            with lock:
                done[0] += size_bytes
                bar.update(task, completed=done[0], figures=size(done[0]))

        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        verification = Verification(
            engine, stores.blobs, shard_id, user.user_id if user else None, subset, on_bytes, threads
        )
        bar.update(task, total=verification.size_bytes())
        return verification.run()


def against_gmail(stores: Stores, user: User, report: Report) -> None:
    """Compare ids and labels with Gmail, after a word about what that costs.

    Raises:
        RayUnavailable, GmailError, DatabaseUnreachable.
    """
    with joined(stores.home, str(stores.home.recorded()["ray"])):
        report.gmail.append((user, asyncio.run(_compared(stores, user))))


async def _compared(stores: Stores, user: User) -> Differences:
    mine = await asyncio.to_thread(stored, stores, user)
    units = units_of(stores.settings.gmail, mine)
    notes.print(f"Comparing {user.email} with Gmail needs about {count(units)} quota units.", markup=False)
    with _bar(f"Listing {user.email}") as (bar, task):
        async with gmail_reader(stores, user) as gmail:

            def on_calls(calls: int) -> None:
                bar.advance(task, calls)
                bar.update(task, figures=f"{count(bar.tasks[0].completed)} calls")

            return await compare(stores, user, gmail, stores.settings.restore.sync_s, on_calls)


@contextmanager
def _bar(what: str) -> Iterator[tuple[Progress, TaskID]]:
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=12), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, TimeElapsedColumn(), console=notes, refresh_per_second=4) as bar:
        yield bar, bar.add_task(what, total=None, figures="")


def _mailboxes(users: Sequence[User], verified: Verified) -> Iterator[dict[str, Any]]:
    for user in users:
        if (mailbox := verified.mailboxes.get(user.user_id)) is not None:
            yield {
                "email": user.email,
                "messages": mailbox.messages,
                "intact": mailbox.intact,
                "damaged": [to_hex(message_id) for message_id in sorted(mailbox.damaged)],
            }


def _damaged(users: Sequence[User], verified: Verified) -> Iterator[dict[str, Any]]:
    emails = {user.user_id: user.email for user in users}
    for damage in sorted(verified.damaged, key=lambda damage: damage.file):
        messages = {
            emails[user_id]: [to_hex(message_id) for message_id in sorted(ids)]
            for user_id, ids in damage.messages.items()
            if user_id in emails
        }
        yield {"file": damage.file, "reason": damage.reason, "messages": messages}


def _differences(user: User, found: Differences) -> dict[str, Any]:
    def labels(by_label: dict[str, set[int]]) -> dict[str, list[str]]:
        return {label: [to_hex(message_id) for message_id in sorted(ids)] for label, ids in sorted(by_label.items())}

    return {
        "email": user.email,
        "messages": found.messages,
        "labels": found.labels,
        "equal": found.are_none,
        "missing": [to_hex(message_id) for message_id in sorted(found.missing)],
        "waiting": [to_hex(message_id) for message_id in sorted(found.waiting)],
        "surplus": [to_hex(message_id) for message_id in sorted(found.surplus)],
        "labels_in_gmail_only": labels(found.put_on),
        "labels_in_the_backup_only": labels(found.taken_off),
    }
