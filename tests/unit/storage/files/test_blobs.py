"""A file of the archive is whole, or is not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.files.blobs import FileMissing, LocalBlobs


def test_a_file_that_could_not_be_written_whole_is_not_there(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise OSError("no space left")

    blobs = LocalBlobs(tmp_path)
    with pytest.raises(OSError, match="no space"):
        blobs.put("0000/file", chunks())

    assert list(blobs.list("0000")) == []
    assert blobs.put("0000/file", [b"who", b"le"]) == 5
    assert (blobs.size("0000/file"), blobs.read("0000/file", 3, 2)) == (5, b"le")


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put("file", [b"first"])

    with pytest.raises(FileExistsError):
        blobs.put("file", [b"second"])
    assert blobs.read("file", 0, 5) == b"first"


def test_a_file_that_is_gone_is_told_apart_from_one_that_is_damaged(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)

    for ask in (lambda: blobs.read("none", 0, 1), lambda: blobs.size("none")):
        with pytest.raises(FileMissing):
            ask()
