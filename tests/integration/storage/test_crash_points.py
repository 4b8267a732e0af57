"""SIGKILL at every named moment of writing, committing, compacting and sweeping: no mail is lost, no orphan stays.

Every child does the same work, and is killed by itself when it passes a point for the nth time.
"""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from storage.catalog import leases
from storage.catalog.compaction import Compactions
from storage.catalog.leases import Lease
from storage.failpoints import FailPoint, watching
from storage.mailbox.analysis_reader import Analyses
from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.model.records import LabelChange
from storage.segments.file_names import SUFFIXES
from storage.segments.garbage_collection import sweep
from storage.segments.merge.merge import merge
from tests.integration.storage.factory import NOON, Mail, Shard, echo

LONG = "word " * 40_000
NEW = 9  # the message that the child stores
NOW = 4e9
MOST = 40  # more often than any point is passed


def mail(number: int) -> Mail:
    text = LONG if number % 3 == 0 else "short"
    return Mail(number, subject=f"Mail {number}", text=f"{text} number{number}", received_at=NOON + timedelta(number))


@dataclass(frozen=True)
class Task:
    """What a child is to do, and where it dies."""

    dsn: str
    root: str
    lease: Lease
    user: int
    point: FailPoint
    occurrence: int


def child(task: Task) -> None:
    """Store a message, analyse and merge everything, sweep what was merged, and die on the way."""
    passed: Counter[FailPoint] = Counter()

    def die(point: FailPoint) -> None:
        passed[point] += 1
        if point is task.point and passed[point] == task.occurrence:
            os.kill(os.getpid(), signal.SIGKILL)

    shard = Shard(create_engine(task.dsn, poolclass=NullPool), Path(task.root), task.lease)
    with watching(die):
        manifest, index = shard.write((task.user, [mail(NEW)]), analyse=echo)
        change = LabelChange(task.user, 1, "STARRED", True, 15)
        shard.catalog.commit(shard.plan([task.user], manifest, [change]), index)
        shard.reanalyse(2)
        compact(shard)
        sweep(shard.blobs, shard.catalog, shard.lease, 0.0, 1e9, 0.0)


def compact(shard: Shard) -> None:
    compactions = Compactions(shard.engine)
    names = [segment.name for segment in compactions.live(shard.shard_id)]
    if len(names) > 1:
        merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, shard.lease.epoch, names, shard.analyses())
        compactions.commit(shard.lease, merged, moved)


def check(shard: Shard, user: int, numbers: set[int]) -> None:
    """Every reader finds these messages, exactly."""
    reader = shard.reader(user)
    newest_first = sorted(numbers, reverse=True)
    assert [from_hex(item.id) for item in reader.emails(limit=50).items] == newest_first
    assert [from_hex(item.id) for item in reader.emails(MailQuery("short OR word"), limit=50).items] == newest_first
    for number in numbers:
        assert [from_hex(item.id) for item in reader.emails(MailQuery(f"number{number}")).items] == [number]
        assert reader.raw(number) == mail(number).raw  # checked against its SHA-256 on the way
    assert reader.top_senders(1)[0]["messages"] == len(numbers)


@pytest.fixture(scope="module")
def processes() -> Iterator[multiprocessing.context.ForkServerContext]:
    """Children of a process that has imported everything, and has no threads yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    yield context


@pytest.mark.slow
@pytest.mark.parametrize("point", [point for point in FailPoint if not point.startswith("move")])
def test_a_kill_loses_nothing_that_was_committed(
    shard: Shard, processes: multiprocessing.context.ForkServerContext, point: FailPoint
) -> None:
    dsn = shard.engine.url.render_as_string(hide_password=False)
    killed = 0
    for occurrence in range(1, MOST):
        shard = Shard(shard.engine, shard.root)
        user = shard.user()
        for numbers in ((1, 2), (3,), (4, 5, 6)):
            shard.store(user, *(mail(number) for number in numbers), analyse=echo)
        compact(shard)
        for numbers in ((7,), (8,)):
            shard.store(user, *(mail(number) for number in numbers))

        process = processes.Process(
            target=child, args=(Task(dsn, str(shard.root), shard.lease, user, point, occurrence),)
        )
        process.start()
        process.join(60)
        assert process.exitcode in (0, -signal.SIGKILL)

        committed = {*range(1, 9)}
        if shard.reader(user).raw(NEW) is not None:
            committed.add(NEW)
        assert NEW in committed or point not in AFTER_COMMIT
        check(shard, user, committed)
        shard.lease = leases.acquire(shard.engine, shard.shard_id, "owner", "cluster", 60)
        sweep(shard.blobs, shard.catalog, shard.lease, NOW, 0.0, 0.0)
        live = {segment.name for segment in Compactions(shard.engine).live(shard.shard_id)}
        files = {file.name for file in shard.blobs.list(f"{shard.shard_id:04d}")}
        assert files == {name + suffix for name in live for suffix in SUFFIXES} | {*shard.analyses().values()}
        said = Analyses(user, shard.engine, shard.blobs).table().to_pylist()
        assert all(row["echo"] is None or row["echo"]["said"] == f"Mail {row['message_id']}" for row in said)
        check(shard, user, committed)
        compact(shard)
        check(shard, user, committed)
        if process.exitcode == 0:
            assert len(live) == 1
            break
        killed += 1
    assert 0 < killed < MOST - 1


AFTER_COMMIT = {point for point in FailPoint if point.startswith(("merge", "compaction", "sweep"))} | {
    FailPoint.COMMIT_DONE
}
