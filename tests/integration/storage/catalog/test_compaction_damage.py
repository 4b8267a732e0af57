"""Merging of damaged segments: only what is damaged is lost or left out, and it is named."""

import os
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from storage.catalog.compaction import Compactions
from storage.files.blobs import ArchiveUnusable, FileDamaged
from storage.fulltext import container
from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX, SPLIT_SUFFIX, SUFFIXES
from storage.segments.merge.merge import merge
from tests.integration.storage.catalog.merging import LONG, compact, mail
from tests.integration.storage.factory import Shard


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
