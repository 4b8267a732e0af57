"""Merging, from files to files: whatever the sizes, every message keeps its bytes, and its place is told right."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.config import ArchiveConfig
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.raw_file import unpack
from storage.model.location import Location
from storage.model.records import Merged
from storage.model.schemas import FETCHED, INDEX, MESSAGES
from storage.segments import writer
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX
from storage.segments.merge.merge import merge
from storage.segments.merge.messages import interleaved

CONFIG = ArchiveConfig(frame_bytes=64 << 10)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
PLACE = ["frame_offset", "frame_bytes", "raw_offset"]

#: Sizes of messages of one segment: empty, tiny, about a frame, larger than one.
mails = st.lists(st.sampled_from([0, 10, 1000, 20_000, 60_000, 70_000, 200_000]), min_size=1, max_size=8)


@contextmanager
def archive() -> Iterator[LocalBlobs]:
    with tempfile.TemporaryDirectory() as folder:
        yield LocalBlobs(Path(folder))


def content(number: int, size: int) -> bytes:
    return (f"{number} " * (size // len(f"{number} ") + 1)).encode()[:size]


def written(blobs: LocalBlobs, first: int, sizes: list[int]) -> str:
    rows = [
        {
            "user_id": number % 3,
            "message_id": number,
            "thread_id": number,
            "history_id": 1,
            "received_at": NOON + timedelta(seconds=number * 7919 % 101),
            "labels": [],
            "snippet": "",
            "raw": content(number, size),
        }
        for number, size in enumerate(sizes, start=first)
    ]
    fetched = writer.in_order(pa.Table.from_pylist(rows, schema=FETCHED))
    parsed = {}
    for field in list(MESSAGES)[len(INDEX) :]:
        if field.name not in fetched.column_names:
            empty: object = [] if pa.types.is_list(field.type) else False if pa.types.is_boolean(field.type) else ""
            value = None if field.nullable else empty
            parsed[field.name] = pa.array([value] * len(rows), field.type)
    return writer.write(blobs, CONFIG, 0, 1, fetched, pa.table(parsed))[0].name


def places(blobs: LocalBlobs, name: str) -> dict[int, Location]:
    """Where a segment's Parquet file says that its messages lie."""
    table = pq.read_table(blobs.location(name + PARQUET_SUFFIX))
    columns = ["frame_offset", "frame_bytes", "raw_offset", "size_bytes", "sha256"]
    rows = table.select(columns).to_pylist()
    return {key: Location(**row) for key, row in zip(table["message_id"].to_pylist(), rows, strict=True)}


def read(blobs: LocalBlobs, name: str, place: Location) -> bytes:
    file = name + RAW_SUFFIX
    return unpack(file, blobs.read(file, place.frame_offset, place.frame_bytes), place)


def told(before: dict[str, dict[int, Location]], merged: Merged, moved: pa.Table) -> dict[int, tuple[int, int, int]]:
    """Where the catalogue will look for each message: its old place and the part's base, or its new place."""
    found = {row["message_id"]: tuple(row[name] for name in PLACE) for row in moved.to_pylist()}
    for part in merged.parts:
        for key, old in before[part.name].items():
            if part.base_offset is not None:
                found[key] = old.frame_offset + part.base_offset, old.frame_bytes, old.raw_offset
    return found


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(mails, min_size=2, max_size=6), st.lists(mails, min_size=1, max_size=2))
def test_every_message_of_every_part_is_where_it_is_said_to_be(parts: list[list[int]], later: list[list[int]]) -> None:
    with archive() as blobs:
        name, number = "", 0
        kept: dict[int, bytes] = {}
        for turn in (parts, later):
            names = [name] if name else []
            for sizes in turn:
                names.append(written(blobs, number, sizes))
                kept |= {key: content(key, size) for key, size in enumerate(sizes, start=number)}
                number += len(sizes)
            before = {part: places(blobs, part) for part in names}

            merged, moved = merge(blobs, CONFIG, 0, 1, names)

            assert merged.segment is not None and (merged.excluded, merged.damaged) == ((), ())
            name = merged.segment.name
            after = places(blobs, name)
            assert {key: read(blobs, name, place) for key, place in after.items()} == kept
            expected = {key: (place.frame_offset, place.frame_bytes, place.raw_offset) for key, place in after.items()}
            assert told(before, merged, moved) == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=1, max_size=30))
def test_rows_are_interleaved_in_the_order_of_their_sources(runs: list[tuple[int, int]]) -> None:
    order = [number for number, length in runs for _ in range(length)]
    tables = [pa.table({"row": [row for row, source in enumerate(order) if source == number]}) for number in range(4)]
    taken = [0] * 4

    def take(number: int, count: int) -> pa.Table:
        taken[number] += count
        return tables[number].slice(taken[number] - count, count)

    found = interleaved([partial(take, number) for number in range(4)], pa.chunked_array([order], pa.int32()))

    assert found["row"].to_pylist() == list(range(len(order)))


@settings(max_examples=40)
@given(st.lists(mails, min_size=2, max_size=4), st.data())
def test_whatever_byte_of_a_frame_is_damaged_only_its_messages_are_lost(
    parts: list[list[int]], data: st.DataObject
) -> None:
    with archive() as blobs:
        names: list[str] = []
        kept: dict[int, bytes] = {}
        for turn, sizes in enumerate(parts):
            names.append(written(blobs, 100 * turn, sizes))
            kept |= {key: content(key, size) for key, size in enumerate(sizes, start=100 * turn)}
        victims = places(blobs, names[0])
        frame = victims[data.draw(st.sampled_from(sorted(victims)))]
        at = frame.frame_offset + data.draw(st.integers(0, frame.frame_bytes - 1))
        path = Path(blobs.location(names[0] + RAW_SUFFIX))
        spoilt = bytearray(path.read_bytes())
        spoilt[at] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(spoilt)

        merged, _ = merge(blobs, CONFIG, 0, 1, names)

        assert merged.segment is not None and merged.excluded == ()
        damaged = {message_id for _, message_id in merged.damaged}
        assert damaged <= {key for key, place in victims.items() if place.frame_offset == frame.frame_offset}
        for key, place in places(blobs, merged.segment.name).items():
            try:
                assert read(blobs, merged.segment.name, place) == kept[key]
            except FileDamaged:
                assert key in damaged
            else:
                assert key not in damaged or kept[key] == b"", "an empty message can be read from anything"
