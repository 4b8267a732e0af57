"""Readers while the files they read are merged and deleted: no error, no wrong count, no wrong byte."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from random import Random

import pytest

from actors.compaction import choose
from storage.catalog.compaction import Compactions
from storage.config import ArchiveConfig
from storage.db.engines import Databases
from storage.files.blobs import FileMissing
from storage.fulltext.search import SegmentFile
from storage.mailbox.segment_files import MailFiles
from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.segments.file_names import SUFFIXES
from storage.segments.garbage_collection import sweep
from storage.segments.merge.merge import merge
from tests.integration.storage.factory import NOON, Mail, Shard

COMPACTIONS = 100


def mail(number: int) -> Mail:
    # Every fifth word is frequent, every message has a word of its own; some are larger than a frame.
    text = f"common{number % 5} only{number} " + "filler words " * (60_000 if number % 40 == 0 else 20)
    return Mail(number, subject=f"Mail {number}", text=text, received_at=NOON + timedelta(minutes=number))


@dataclass
class Told:
    """What the writer has committed, by user: numbers of messages. Readers may see more, never less."""

    committed: dict[int, int] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list)
    reads: int = 0


def compact(shard: Shard, config: ArchiveConfig) -> bool:
    compactions = Compactions(shard.engine)
    chosen = choose(compactions.live(shard.shard_id), config)
    if chosen:
        names = [segment.name for segment in chosen]
        merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, shard.lease.epoch, names)
        assert compactions.commit(shard.lease, merged, moved)
    return bool(chosen)


def read_for_ever(shard: Shard, user: int, seed: int, told: Told) -> None:
    random, reader = Random(seed), shard.reader(user)
    try:
        while not told.ended.is_set():
            before = told.committed[user]
            listed = reader.emails(limit=500).items
            found = reader.emails(MailQuery("common3"), limit=500).items
            counted = sum(row["messages"] for row in reader.top_senders(10))
            after = told.committed[user] + 1  # the next one is there before the writer tells
            ids = [from_hex(item.id) for item in listed]
            assert ids == list(range(len(ids) - 1, -1, -1)) and before <= len(ids) <= after
            threes = [from_hex(item.id) for item in found]
            assert threes == list(range(5 * len(threes) - 2, 2, -5))
            assert (before + 1) // 5 <= len(threes) <= (after + 1) // 5
            assert before <= counted <= after
            for number in random.sample(ids, min(len(ids), 8)):
                raw = reader.raw(number)
                assert raw is not None and sha256(raw).digest() == sha256(mail(number).raw).digest()
                email = reader.email(number)
                assert email is not None and f"only{number} " in email.text
            told.reads += 1
    except BaseException as exc:
        told.failures.append(exc)
        raise


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_readers_notice_nothing_of_a_hundred_compactions(shard: Shard, databases: Databases) -> None:
    config = shard.archive.model_copy(update={"open_segments": 3})
    users = [shard.user(), shard.user()]
    told = Told(dict.fromkeys(users, 0))
    # Readers are other processes, with connections of their own: of one pool they would leave the writer none.
    theirs = Databases(databases.config)
    read = Shard(theirs.shard_database(0), shard.root, shard.lease)
    threads = [
        threading.Thread(target=read_for_ever, args=(read, user, seed, told), daemon=True)
        for seed, user in enumerate([*users, *users])
    ]
    for thread in threads:
        thread.start()
    done = 0
    deadline = time.monotonic() + 800
    while done < COMPACTIONS and not told.failures:
        assert time.monotonic() < deadline
        for user in users:
            if told.committed[user] < 490:
                shard.store(user, mail(told.committed[user]))
                told.committed[user] += 1
        if compact(shard, config):
            done += 1
        # Merged files are kept for two seconds here: a reader that is slower than that must list again.
        sweep(shard.blobs, shard.catalog, shard.lease, time.time(), 1e9, 2.0)
    told.ended.set()
    for thread in threads:
        thread.join(60)
    theirs.close()

    assert told.failures == []
    assert (done, told.reads > 20) == (COMPACTIONS, True)
    live = Compactions(shard.engine).live(shard.shard_id)
    assert sum(segment.messages for segment in live) == sum(told.committed.values())


@contextmanager
def merged_after_listing(shard: Shard, monkeypatch: pytest.MonkeyPatch, times: int) -> Iterator[list[int]]:
    """Have files merged and deleted between a reader's listing and its reading, so many times."""
    listings: list[int] = []
    honest: Callable[..., list[SegmentFile]] = MailFiles.segments

    def segments(files: MailFiles, *arguments: object) -> list[SegmentFile]:
        found = honest(files, *arguments)
        listings.append(len(found))
        if len(listings) <= times:
            _replace_files(shard)
        return found

    monkeypatch.setattr(MailFiles, "segments", segments)
    yield listings


def _replace_files(shard: Shard) -> None:
    compactions = Compactions(shard.engine)
    shard.store(shard.user(), mail(1))
    live = [segment.name for segment in compactions.live(shard.shard_id)]
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, 1, live)
    compactions.commit(shard.lease, merged, moved)
    for name in live:
        for suffix in SUFFIXES:
            shard.blobs.delete(name + suffix)


@pytest.mark.parametrize("question", ["common1", "top senders"])
def test_a_reader_that_finds_a_file_gone_lists_again_and_goes_on(
    shard: Shard, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    user = shard.user()
    shard.store(user, mail(1))
    reader = shard.reader(user)

    with merged_after_listing(shard, monkeypatch, times=1) as listings:
        if question == "top senders":
            assert reader.top_senders(5)[0]["messages"] == 1
        else:
            assert len(reader.emails(MailQuery(question)).items) == 1
    assert len(listings) == 2


def test_a_file_that_is_gone_again_is_lost_and_said_so(shard: Shard) -> None:
    user = shard.user()
    name = shard.store(user, mail(1))
    for suffix in SUFFIXES:
        shard.blobs.delete(name + suffix)
    reader = shard.reader(user)

    for ask in (lambda: reader.raw(1), lambda: reader.email(1), lambda: reader.emails(), lambda: reader.top_senders(1)):
        with pytest.raises(FileMissing, match=name):
            ask()
