"""A split is one file; whatever becomes of it, it is what was written or damaged by name."""

import struct
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.files.blobs import FileDamaged
from storage.fulltext import container
from tests.unit.storage.fulltext.made import Made, reading, split

_FOOTER = struct.Struct("<Q8s")


@pytest.fixture(scope="module")
def packed() -> bytes:
    return split([Made(number, {"text": (f"word{number} of many",)}) for number in range(20)])


def test_packing_and_unpacking_a_split_preserves_its_files(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    files = {"meta.json": b"{}", "0" * 32 + ".term": b"a" * 10_000, "0" * 32 + ".pos": b""}
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(data)
    data = b"".join(container.pack(tmp_path / "in", list(files)))

    assert container.unpack("a", *reading(data), tmp_path / "out") == 10_002
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


def test_a_split_can_be_unpacked_as_the_readme_says(packed: bytes) -> None:
    offset, magic = struct.unpack("<Q8s", packed[-16:])
    (size,) = struct.unpack("<I", packed[offset + 4 : offset + 8])
    table = orjson.loads(zstandard.ZstdDecompressor().decompress(packed[offset + 8 : offset + 8 + size]))
    files = {
        file["name"]: zstandard.ZstdDecompressor().decompress(packed[file["offset"] :][: file["stored_bytes"]])
        for file in table["files"]
    }

    assert magic == b"GBMSPL01"
    assert orjson.loads(files["meta.json"])["segments"][0]["max_doc"] == 20


@settings(max_examples=200)
@given(st.data())
def test_no_changed_byte_goes_unnoticed(packed: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(packed) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    damaged = packed[:at] + bytes([packed[at] ^ bit]) + packed[at + 1 :]
    try:
        container.check("a.split", *reading(damaged))
    except FileDamaged as exc:
        assert exc.name == "a.split"
    else:  # a bit that means nothing: the number of a skippable frame, or one of zstd's that are reserved
        assert [len(file) for file in _files(damaged)] == [len(file) for file in _files(packed)]


@pytest.mark.parametrize("left", [0, 15, 16, 40, -1])
def test_a_split_that_was_cut_is_damaged(packed: bytes, left: int) -> None:
    cut = packed[:left]
    with pytest.raises(FileDamaged):
        container.check("a.split", *reading(cut))


@pytest.mark.parametrize(
    "files",
    [
        [{"name": "../../etc/passwd", "offset": 0, "stored_bytes": 9, "size_bytes": 1}],
        [{"name": "meta.json", "offset": 0, "stored_bytes": 1 << 40, "size_bytes": 1}],
        [{"name": "meta.json", "offset": -9, "stored_bytes": 9, "size_bytes": 1}],
        [{"name": "meta.json", "offset": 0, "stored_bytes": 9, "size_bytes": 1 << 60}],
        [{"name": "meta.json", "offset": 0, "stored_bytes": 9, "size_bytes": 1}] * 2,
        [{"name": "0" * 32 + ".term", "offset": 0, "stored_bytes": 9, "size_bytes": 1}],
        [{"name": "meta.json"}],
        "meta.json",
        None,
    ],
)
def test_a_table_that_lies_is_not_believed(packed: bytes, files: object) -> None:
    body = packed[: _FOOTER.unpack(packed[-16:])[0]]
    table = zstandard.ZstdCompressor().compress(orjson.dumps({"files": files}))
    forged = body + struct.pack("<II", 0x184D2A5B, len(table)) + table
    forged += struct.pack("<II", 0x184D2A5B, 16) + _FOOTER.pack(len(body), b"GBMSPL01")

    with pytest.raises(FileDamaged):
        container.check("a.split", *reading(forged))


def test_near_equal_mail_whose_index_is_a_thousand_times_smaller_compressed_is_unpacked(tmp_path: Path) -> None:
    name, piece = "0" * 32 + ".pos", bytes(range(250)) * 4_000
    (tmp_path / "in").mkdir()
    with (tmp_path / "in" / name).open("wb") as sink:
        for _ in range(150):
            sink.write(piece)
    (tmp_path / "in" / "meta.json").write_bytes(b"{}")
    data = b"".join(container.pack(tmp_path / "in", ["meta.json", name]))
    assert len(data) < 150_000
    (tmp_path / "out").mkdir()

    assert container.unpack("a", *reading(data), tmp_path / "out") == 150_000_002

    assert (tmp_path / "out" / name).read_bytes() == piece * 150
    with pytest.raises(container.SplitTooLarge, match="GBM_ARCHIVE__INDEX_CACHE_BYTES"):
        container.unpack("a", *reading(data), tmp_path / "no folder", 150_000_001)


@pytest.mark.parametrize("declared", [9, 11])
def test_a_file_of_another_size_than_its_table_declares_is_damaged(declared: int, tmp_path: Path) -> None:
    frame = zstandard.ZstdCompressor(write_content_size=True).compress(b"0123456789")
    table = [{"name": "meta.json", "offset": 0, "stored_bytes": len(frame), "size_bytes": declared}]
    packed = zstandard.ZstdCompressor().compress(orjson.dumps({"files": table}))
    forged = frame + struct.pack("<II", 0x184D2A5B, len(packed)) + packed
    forged += struct.pack("<II", 0x184D2A5B, 16) + _FOOTER.pack(len(frame), b"GBMSPL01")

    with pytest.raises(FileDamaged, match="another size"):
        container.unpack("a.split", *reading(forged), tmp_path)


def _files(data: bytes) -> list[bytes]:
    size_bytes, read = reading(data)
    entries = container.read_table("a", size_bytes, read)
    return [zstandard.ZstdDecompressor().decompress(read(entry.offset, entry.stored_bytes)) for entry in entries]
