"""The raw file: exact bytes back, plain zstd to everybody, and no damage that goes unnoticed."""

import hashlib
import io
from collections.abc import Callable, Sequence

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from storage.files.blobs import FileDamaged
from storage.files.raw_file import RAW_INDEX, RawWriter, read_ending, unpack
from storage.model.location import Location

FRAME = 1000
NAME = "0000/00000001-aa.raw.zst"
MESSAGES = [b"Subject: one\r\n\r\none", b"", b"two" * 100, bytes(range(256)) * 20, b"", b"last"]


def written(messages: Sequence[bytes]) -> tuple[bytes, list[Location]]:
    writer = RawWriter(FRAME, 3)
    for number, message in enumerate(messages):
        writer.add(7, number, message)
    return b"".join(writer.finish()), writer.locations


def reader(data: bytes) -> Callable[[int, int], bytes]:
    def read(offset: int, size: int) -> bytes:
        if offset + size > len(data):
            raise FileDamaged(NAME, "it ends early")
        return data[offset : offset + size]

    return read


def message(data: bytes, location: Location) -> bytes:
    frame = data[location.frame_offset : location.frame_offset + location.frame_bytes]
    return unpack(NAME, frame, location)


DATA, LOCATIONS = written(MESSAGES)


@given(st.lists(st.binary(max_size=3 * FRAME), max_size=12))
def test_every_message_comes_back_exactly(messages: list[bytes]) -> None:
    data, locations = written(messages)

    assert [message(data, location) for location in locations] == messages


def test_a_message_larger_than_a_frame_has_its_own() -> None:
    large = LOCATIONS[3]

    assert large.size_bytes > FRAME
    assert [place.frame_offset for place in LOCATIONS].count(large.frame_offset) == 1


def test_any_zstd_decoder_gives_the_messages_back_to_back() -> None:
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(DATA), read_across_frames=True) as stream:
        assert stream.read() == b"".join(MESSAGES)


def test_the_index_alone_tells_where_every_message_lies() -> None:
    index, _ = read_ending(NAME, len(DATA), reader(DATA))

    assert index.schema == RAW_INDEX
    for row, expected in zip(index.to_pylist(), MESSAGES, strict=True):
        assert row.pop("user_id") == 7
        assert MESSAGES[row.pop("message_id")] == expected
        assert message(DATA, Location(**row)) == expected


def test_a_file_without_messages_has_an_empty_index() -> None:
    data, locations = written([])

    assert locations == []
    assert read_ending(NAME, len(data), reader(data))[0].num_rows == 0


@given(st.integers(0, len(DATA) - 1))
def test_a_cut_file_is_damaged(size: int) -> None:
    with pytest.raises(FileDamaged, match=NAME):
        read_ending(NAME, size, reader(DATA[:size]))


@given(st.binary(max_size=300))
def test_a_foreign_file_is_damaged(data: bytes) -> None:
    with pytest.raises(FileDamaged, match=NAME):
        read_ending(NAME, len(data), reader(data))


def test_an_index_of_another_kind_is_damaged() -> None:
    zstd = zstandard.ZstdCompressor().compress(b"no Arrow at all")
    start = len(DATA) - 24
    for packed in (zstd, b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + bytes(20)):
        data = (0x184D2A5B).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
        data += DATA[start : start + 8] + bytes(8) + b"GBMRAW01"
        with pytest.raises(FileDamaged, match=NAME):
            read_ending(NAME, len(data), reader(data))


@given(st.integers(0, len(DATA) * 8 - 1))
def test_a_flipped_bit_never_changes_mail_in_silence(bit: int) -> None:
    flipped = bytearray(DATA)
    flipped[bit // 8] ^= 1 << bit % 8
    data = bytes(flipped)

    for location, expected in zip(LOCATIONS, MESSAGES, strict=True):
        try:
            assert message(data, location) == expected
        except FileDamaged as error:
            assert NAME in str(error)
    try:
        index, _ = read_ending(NAME, len(data), reader(data))
    except FileDamaged as error:
        assert NAME in str(error)
    else:
        assert index["sha256"].to_pylist() == [hashlib.sha256(mail).digest() for mail in MESSAGES]


def test_a_frame_that_claims_an_impossible_size_is_not_decompressed() -> None:
    frame = b"\x28\xb5\x2f\xfd\xe0" + (1 << 60).to_bytes(8, "little") + bytes(20)

    with pytest.raises(FileDamaged, match="impossible size"):
        unpack(NAME, frame, Location(0, len(frame), 0, 1, bytes(32)))
