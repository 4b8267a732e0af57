"""A file of the archive is whole, or is not there."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.files.blobs import FileMissing, LocalBlobs, NameRefused


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


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "0000/../../outside", "..", "0000/a\0b"])
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    blobs = LocalBlobs(tmp_path / "archive")
    (tmp_path / "outside").write_bytes(b"secret")

    for ask in (
        lambda: blobs.read(name, 0, 1),
        lambda: blobs.size(name),
        lambda: blobs.location(name),
        lambda: blobs.put(name, [b""]),
        lambda: blobs.delete(name),
        lambda: list(blobs.list(name)),
    ):
        with pytest.raises(NameRefused):
            ask()
    assert (tmp_path / "outside").read_bytes() == b"secret"


def test_only_the_owner_may_read_a_file_from_its_creation(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        modes = []

        def chunks() -> Iterator[bytes]:
            modes.append((tmp_path / "0000" / "file").stat().st_mode & 0o777)
            yield b"mail"

        LocalBlobs(tmp_path).put("0000/file", chunks())
    finally:
        os.umask(umask)
    assert (modes, (tmp_path / "0000").stat().st_mode & 0o777) == ([0o600], 0o700)
