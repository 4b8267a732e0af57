"""Merged segments: the same mail to every reader, wherever it lies; once, fenced, and never at the cost of mail."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from storage.catalog import leases
from storage.catalog.compaction import CompactionOutdated, Compactions
from storage.catalog.leases import LeaseLost
from storage.files.blobs import ArchiveUnusable, FileDamaged
from storage.files.raw_file import read_ending, unpack
from storage.fulltext import container
from storage.model.location import Location
from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.model.records import Merged
from storage.model.schemas import MESSAGES
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX, SPLIT_SUFFIX, SUFFIXES
from storage.segments.garbage_collection import sweep
from storage.segments.merge.merge import merge
from tests.integration.storage.factory import NOON, Mail, Shard

LONG = "word " * 60_000  # a frame of its own: such segments are copied, the others re-packed


def mail(number: int, text: str = "Good morning.") -> Mail:
    return Mail(number, subject=f"Mail {number}", text=f"{text} number{number}", received_at=NOON + timedelta(number))


def compact(shard: Shard, *names: str) -> Merged:
    """Merge these segments, or all, and commit."""
    live = [segment.name for segment in Compactions(shard.engine).live(shard.shard_id)]
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, shard.lease.epoch, names or live)
    assert Compactions(shard.engine).commit(shard.lease, merged, moved)
    return merged


def everything(shard: Shard, user_id: int) -> dict[str, object]:
    """All that a reader can ask."""
    reader = shard.reader(user_id)
    items = reader.emails(limit=500).items
    return {
        "list": items,
        "search": [item.id for item in reader.emails(MailQuery("morning"), limit=500).items],
        "emails": [reader.email(from_hex(item.id)) for item in items],
        "raw": [sha256(reader.raw(from_hex(item.id)) or b"").hexdigest() for item in items],
        "senders": reader.top_senders(5),
        "defective": reader.defective_count(),
    }


def in_files(shard: Shard, name: str) -> list[bytes]:
    """The mail of a segment, from its files alone, found by its Parquet; by its own index it is the same."""
    rows = pq.read_table(shard.root / (name + PARQUET_SUFFIX))
    assert rows.schema.equals(MESSAGES)
    data = (shard.root / (name + RAW_SUFFIX)).read_bytes()
    index, _ = read_ending(name, len(data), lambda offset, size: data[offset : offset + size])
    assert index.equals(rows.select(index.column_names).cast(index.schema))
    found = []
    for row in index.select(["frame_offset", "frame_bytes", "raw_offset", "size_bytes", "sha256"]).to_pylist():
        frame = data[row["frame_offset"] : row["frame_offset"] + row["frame_bytes"]]
        found.append(unpack(name, frame, Location(**row)))
    return found


@pytest.mark.parametrize("texts", [("short", "short"), (LONG, LONG), ("short", LONG)])
def test_a_merge_changes_nothing_that_a_reader_sees(shard: Shard, texts: Sequence[str]) -> None:
    ann, bob = shard.user(), shard.user()
    for start, content in enumerate(texts):
        mails = [mail(number, content) for number in range(start, 40, len(texts))]
        manifest, index = shard.write((ann, mails), (bob, mails[:3]))
        shard.catalog.commit(shard.plan([ann, bob], manifest), index)
    before = everything(shard, ann), everything(shard, bob)

    merged = compact(shard)

    assert (everything(shard, ann), everything(shard, bob)) == before
    assert merged.segment is not None and merged.segment.messages == 46
    assert {part.base_offset is None for part in merged.parts} == {content == "short" for content in texts}
    [live] = Compactions(shard.engine).live(shard.shard_id)
    assert live.name == merged.segment.name
    raws = {mail(number, content).raw for start, content in enumerate(texts) for number in range(start, 40, 2)}
    assert set(in_files(shard, live.name)) == raws


def test_merges_of_merges_still_find_every_message(shard: Shard) -> None:
    user = shard.user()
    number = 0
    for turn in range(4):
        for size in (3, 1, 5):
            content = LONG if (turn + size) % 2 else "short morning"
            shard.store(user, *(mail(number + extra, content) for extra in range(size)))
            number += size
        before = everything(shard, user)
        live = [segment.name for segment in Compactions(shard.engine).live(shard.shard_id)]
        compact(shard, *live[: 3 if turn % 2 else 9])
        assert everything(shard, user) == before
    compact(shard)
    assert everything(shard, user) == before
    assert len(Compactions(shard.engine).live(shard.shard_id)) == 1


def test_labels_and_deletions_survive_and_go_on(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, mail(1), mail(2))
    shard.store(user, mail(3))
    shard.change(user, (1, "STARRED", True))
    compact(shard)
    shard.change(user, (3, "STARRED", True), (2, "\\Deleted", True))

    page = shard.reader(user).emails(MailQuery("is:starred morning"))

    assert [from_hex(item.id) for item in page.items] == [3, 1]
    assert len(shard.reader(user).emails().items) == 2


def test_a_repeated_commit_changes_nothing(shard: Shard) -> None:
    user = shard.user()
    names = [shard.store(user, mail(1)), shard.store(user, mail(2, LONG))]
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, 1, names)
    compactions = Compactions(shard.engine)
    assert compactions.commit(shard.lease, merged, moved) is True
    before = rows_of(shard)

    assert compactions.commit(shard.lease, merged, moved) is False
    assert rows_of(shard) == before


def test_an_owner_without_its_lease_puts_nothing_in_place(shard: Shard) -> None:
    user = shard.user()
    names = [shard.store(user, mail(1)), shard.store(user, mail(2))]
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, 1, names)
    leases.acquire(shard.engine, shard.shard_id, "another", "cluster", 60)
    before = rows_of(shard)

    with pytest.raises(LeaseLost):
        Compactions(shard.engine).commit(shard.lease, merged, moved)
    assert rows_of(shard) == before


def test_segments_that_were_merged_meanwhile_are_not_merged_again(shard: Shard) -> None:
    user = shard.user()
    names = [shard.store(user, mail(number)) for number in range(3)]
    late, moved = merge(shard.blobs, shard.archive, shard.shard_id, 1, names[:2])
    compact(shard, *names[1:])
    before = rows_of(shard)

    with pytest.raises(CompactionOutdated):
        Compactions(shard.engine).commit(shard.lease, late, moved)
    assert rows_of(shard) == before


def test_statistics_of_users_are_merged(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    shard.store(ann, mail(1))
    shard.store(bob, mail(2))
    shard.store(ann, mail(3))

    merged = compact(shard)

    assert merged.segment is not None
    with shard.engine.begin() as connection:
        found = connection.execute(
            text("SELECT user_id, messages, size_bytes, first_at, last_at FROM segment_users WHERE user_id = ANY(:u)"),
            {"u": [ann, bob]},
        ).all()
    assert {tuple(row) for row in found} == {
        (ann, 2, len(mail(1).raw) + len(mail(3).raw), NOON + timedelta(1), NOON + timedelta(3)),
        (bob, 1, len(mail(2).raw), NOON + timedelta(2), NOON + timedelta(2)),
    }


def rows_of(shard: Shard) -> list[tuple[object, ...]]:
    """The catalogue's rows of a shard, but for their ids."""
    with shard.engine.begin() as connection:
        found = connection.execute(
            text(
                "SELECT s.name, s.retired_at, s.base_offset, s.excluded, f.name FROM segments AS s"
                " JOIN segment_files AS f USING (segment_id) WHERE s.shard_id = :s ORDER BY 1"
            ),
            {"s": shard.shard_id},
        )
        return [tuple(row) for row in found]


# ---- damage


def damage(shard: Shard, file: str, offset: int) -> None:
    """Change one byte."""
    with (shard.root / file).open("r+b") as opened:
        opened.seek(offset)
        [byte] = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([byte ^ 0xFF]))


@pytest.mark.parametrize("content", ["short", LONG])
def test_a_damaged_frame_costs_its_messages_only_and_tells_them_by_name(shard: Shard, content: str) -> None:
    user = shard.user()
    shard.store(user, mail(1, content), mail(2, LONG), mail(3, LONG * 2))
    shard.store(user, mail(4, content))
    name = shard.store(user, mail(5, content))
    damage(shard, name + RAW_SUFFIX, 30)

    for _ in range(2):  # the next merge finds it again, and carries it along again
        merged = compact(shard)
        assert merged.excluded == ()
        assert merged.damaged == ((user, 5),)
        shard.store(user, mail(10 + merged.segment.messages))  # type: ignore[union-attr]

    reader = shard.reader(user)
    with pytest.raises(FileDamaged):
        reader.raw(5)
    for number, written in ((1, content), (2, LONG), (3, LONG * 2), (4, content)):
        assert reader.raw(number) == mail(number, written).raw
    assert {from_hex(item.id) for item in reader.emails(MailQuery("morning OR word OR short")).items} >= {1, 2, 3, 4, 5}
    with shard.engine.begin() as connection:
        told = connection.execute(
            text("SELECT data FROM outbox WHERE user_id = :u AND type = 'messages.damaged'"), {"u": user}
        ).scalars()
        assert all(data["ids"] == [f"{5:x}"] for data in told)


def _no_parquet(shard: Shard, name: str) -> None:
    shard.blobs.delete(name + PARQUET_SUFFIX)


def _no_raw(shard: Shard, name: str) -> None:
    shard.blobs.delete(name + RAW_SUFFIX)


def _cut_raw(shard: Shard, name: str) -> None:
    os.truncate(shard.root / (name + RAW_SUFFIX), 200)


def _spoilt_page(shard: Shard, name: str) -> None:
    group = pq.read_metadata(shard.root / (name + PARQUET_SUFFIX)).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    [column] = [column for column in columns if column.path_in_schema == "text"]
    damage(shard, name + PARQUET_SUFFIX, column.data_page_offset + column.total_compressed_size - 20)


def _spoilt_footer(shard: Shard, name: str) -> None:
    damage(shard, name + PARQUET_SUFFIX, (shard.root / (name + PARQUET_SUFFIX)).stat().st_size - 6)


def _another_segments(shard: Shard, name: str) -> None:
    """Both files are whole, but not each other's."""
    other, _ = shard.write((shard.user(), [mail(1)]))
    shard.blobs.delete(name + PARQUET_SUFFIX)
    (shard.root / (other.name + PARQUET_SUFFIX)).rename(shard.root / (name + PARQUET_SUFFIX))


@pytest.mark.parametrize("spoil", [_no_parquet, _no_raw, _cut_raw, _spoilt_page, _spoilt_footer, _another_segments])
def test_a_segment_whose_files_are_damaged_is_left_out_with_its_reason(
    shard: Shard, spoil: Callable[[Shard, str], None]
) -> None:
    user = shard.user()
    whole = [shard.store(user, mail(number)) for number in (1, 2)]
    bad = shard.store(user, mail(3), mail(4))
    spoil(shard, bad)
    files = {file.name for file in shard.blobs.list(f"{shard.shard_id:04d}")}

    merged = compact(shard)

    assert [name for name, _ in merged.excluded] == [bad]
    assert {part.name for part in merged.parts} == {*whole}
    live = {segment.name: segment.excluded for segment in Compactions(shard.engine).live(shard.shard_id)}
    assert merged.segment is not None
    assert live == {bad: merged.excluded[0][1], merged.segment.name: None}
    now = {file.name for file in shard.blobs.list(f"{shard.shard_id:04d}")}
    assert now - files == {merged.segment.name + suffix for suffix in SUFFIXES}, "no leftovers"

    Compactions(shard.engine).readmit(shard.lease)
    assert {segment.excluded for segment in Compactions(shard.engine).live(shard.shard_id)} == {None}


def test_one_whole_segment_among_damaged_ones_is_left_as_it_is(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, mail(1))
    bad = shard.store(user, mail(2))
    _no_raw(shard, bad)

    merged = compact(shard)

    assert (merged.segment, merged.parts) == (None, ())
    assert [name for name, _ in merged.excluded] == [bad]
    assert shard.reader(user).raw(1) == mail(1).raw


def test_an_archive_that_is_not_there_excludes_nothing(shard: Shard) -> None:
    user = shard.user()
    names = [shard.store(user, mail(number)) for number in (1, 2)]
    for file in list(shard.blobs.list(f"{shard.shard_id:04d}")):
        shard.blobs.delete(file.name)

    with pytest.raises(ArchiveUnusable):
        merge(shard.blobs, shard.archive, shard.shard_id, 1, names)


# ---- words


def _cut_split(shard: Shard, name: str) -> None:
    os.truncate(shard.root / (name + SPLIT_SUFFIX), 100)


def _no_split(shard: Shard, name: str) -> None:
    shard.blobs.delete(name + SPLIT_SUFFIX)


@pytest.mark.parametrize("spoil", [None, _no_split, _cut_split])
def test_the_merged_word_index_finds_what_the_parts_found(
    shard: Shard, spoil: Callable[[Shard, str], None] | None
) -> None:
    user = shard.user()
    texts = {1: "common1", 2: f"common2 {LONG}", 3: "common3"}
    names = [shard.store(user, mail(number, text)) for number, text in texts.items()]
    if spoil:
        spoil(shard, names[1])

    merged = compact(shard)

    assert merged.segment is not None and merged.segment.words_bytes
    split = merged.segment.name + SPLIT_SUFFIX
    container.check(split, shard.blobs.size(split), lambda offset, size: shard.blobs.read(split, offset, size))
    reader = shard.reader(user)
    for number in (1, 2, 3):
        assert [item.id for item in reader.emails(MailQuery(f"common{number}")).items] == [f"{number:x}"]
    assert [item.id for item in reader.emails(MailQuery("common2 OR common3")).items] == ["3", "2"]


# ---- retired files


def test_a_segment_whose_grace_period_ends_during_a_sweep_is_left_to_the_next(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = shard.user()
    for number in (1, 2):
        shard.store(user, mail(number))
    merged = compact(shard)
    assert merged.segment is not None
    forget = Compactions.forget

    def forget_later(self: Compactions, lease: leases.Lease, before: datetime) -> None:
        with shard.engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.6)"))  # the grace period ends by the database's clock
        forget(self, lease, before)

    monkeypatch.setattr(Compactions, "forget", forget_later)
    assert sweep(shard.blobs, shard.catalog, shard.lease, 2e9, 1e9, 0.5) == []
    monkeypatch.undo()

    assert sweep(shard.blobs, shard.catalog, shard.lease, 2e9, 1e9, 0.5) == [], "its files do not count as orphans"
    left = {file.name for file in shard.blobs.list(f"{shard.shard_id:04d}")}
    assert left == {merged.segment.name + suffix for suffix in SUFFIXES}


def test_merged_files_stay_for_readers_and_go_after_their_grace_period(shard: Shard) -> None:
    user = shard.user()
    old = [shard.store(user, mail(1)), shard.store(user, mail(2, LONG))]
    merged = compact(shard)
    assert merged.segment is not None

    assert sweep(shard.blobs, shard.catalog, shard.lease, 2e9, 1e9, 60.0) == []
    files = {file.name: file.size_bytes for file in shard.blobs.list(f"{shard.shard_id:04d}")}
    assert len(files) == 3 * len(SUFFIXES)
    kept_bytes = sum(files[name + suffix] for name in old for suffix in SUFFIXES)
    compactions = Compactions(shard.engine)
    assert compactions.superseded_bytes(shard.shard_id, 60.0) == kept_bytes
    assert compactions.superseded_bytes(shard.shard_id + 1, 60.0) == 0
    _age_retirement(shard, 61)
    assert compactions.superseded_bytes(shard.shard_id, 60.0) == 0
    assert sweep(shard.blobs, shard.catalog, shard.lease, 2e9, 1e9, 60.0) == []

    left = {file.name for file in shard.blobs.list(f"{shard.shard_id:04d}")}
    assert left == {merged.segment.name + suffix for suffix in SUFFIXES}
    assert shard.catalog.segment_names(shard.shard_id) == {merged.segment.name, old[1]}, "a copied one's row is needed"
    assert [shard.reader(user).raw(1), shard.reader(user).raw(2)] == [mail(1).raw, mail(2, LONG).raw]


def _age_retirement(shard: Shard, seconds: float) -> None:
    with shard.engine.begin() as connection:
        connection.execute(
            text("UPDATE segments SET retired_at = retired_at - make_interval(secs => :age) WHERE shard_id = :s"),
            {"age": seconds, "s": shard.shard_id},
        )


def test_what_a_merge_left_uncommitted_is_an_orphan(shard: Shard) -> None:
    user = shard.user()
    names = [shard.store(user, mail(number)) for number in (1, 2)]
    merged, _ = merge(shard.blobs, shard.archive, shard.shard_id, 1, names)
    assert merged.segment is not None
    shard.lease = leases.acquire(shard.engine, shard.shard_id, "owner", "cluster", 60)

    assert sorted(sweep(shard.blobs, shard.catalog, shard.lease, 2e9, 1e9, 60.0)) == sorted(
        merged.segment.name + suffix for suffix in SUFFIXES
    )
    assert [shard.reader(user).raw(number) for number in (1, 2)] == [mail(1).raw, mail(2).raw]


# ---- form


def test_a_merged_file_has_row_groups_and_finds_an_id_by_its_bloom_filter(shard: Shard) -> None:
    users = [shard.user() for _ in range(3)]
    for start in range(0, 12_000, 4000):
        mails = [range(start + turn, start + 4000, 3) for turn in range(3)]
        manifest, index = shard.write(
            *((user, [Mail(number) for number in numbers]) for user, numbers in zip(users, mails, strict=True))
        )
        shard.catalog.commit(shard.plan(users, manifest), index)

    merged = compact(shard)

    assert merged.segment is not None
    path = shard.root / (merged.segment.name + PARQUET_SUFFIX)
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [4000, 4000, 4000]
    order = pq.read_table(path, columns=["user_id", "received_at", "message_id"])
    assert order.equals(order.sort_by([(name, "ascending") for name in order.column_names]))
    assert [shard.reader(users[0]).email(number) is not None for number in (0, 1, 11_999)] == [True, False, True]


def test_files_without_a_newer_column_are_merged_with_nulls_in_it(shard: Shard) -> None:
    user = shard.user()
    names = [shard.store(user, mail(1)), shard.store(user, mail(2))]
    path = shard.root / (names[0] + PARQUET_SUFFIX)
    pq.write_table(pq.read_table(path).drop_columns(["date"]), path)

    merged = compact(shard)

    assert merged.segment is not None
    found = pq.read_table(shard.root / (merged.segment.name + PARQUET_SUFFIX))["date"].to_pylist()
    assert [value is None for value in found] == [True, False]
