"""Every manipulated file of an archive is refused by name, before it takes the memory that it declares."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.raw_file import read_ending
from storage.fulltext import container
from storage.fulltext.split import Split
from storage.recovery.backup_manifest import BackupUnusable, read_names
from storage.segments import analysis_file
from storage.segments.merge.sources import Unmergeable, blaming, open_parquet
from tests.hostile.archive_files import MANIFESTS, PARQUETS, RAW_FILES, SPLITS

#: Bytes that a construct would take, and that reading it may add.
_CLAIMED, _ALLOWED = 400 << 20, 300 << 20
_NAME = "0000/00000001-" + "0" * 32
_ANALYSIS = f"{_NAME}.00000001-{'0' * 32}.analysis"
CONSTRUCTS = {
    **{f"raw: {name}": made for name, made in RAW_FILES.items()},
    **{f"split: {name}": made for name, made in SPLITS.items()},
    **{f"parquet: {name}": made for name, made in PARQUETS.items()},
    **{f"analysis: {name}": made for name, made in PARQUETS.items()},
    **{f"manifest: {name}": made for name, made in MANIFESTS.items()},
}


def _bytes(data: bytes) -> Callable[[int, int], bytes]:
    def read(offset: int, size: int) -> bytes:
        if offset + size > len(data):
            raise FileDamaged(_NAME, "it ends early")
        return data[offset : offset + size]

    return read


def _raw(folder: Path, data: bytes) -> None:
    with pytest.raises(FileDamaged, match=_NAME):
        read_ending(_NAME, len(data), _bytes(data))


def _split(folder: Path, data: bytes) -> None:
    with pytest.raises(FileDamaged, match=_NAME):
        container.unpack(_NAME, len(data), _bytes(data), folder)
        assert sum(file.stat().st_size for file in folder.iterdir()) < 2 * _CLAIMED  # as it declares, and on the disk
        Split(_NAME, folder)


def _parquet(folder: Path, data: bytes) -> None:
    blobs = LocalBlobs(folder)
    blobs.put(f"{_NAME}.parquet", [data])
    with pytest.raises(Unmergeable, match=_NAME), blaming(_NAME), open_parquet(blobs, _NAME) as parquet:
        parquet.read(columns=["user_id", "message_id", "to", "labels"])
        raise Unmergeable(_NAME, "columns")  # what is left, its columns betray (merge/sources.py)


def _analysis(folder: Path, data: bytes) -> None:
    blobs = LocalBlobs(folder)
    blobs.put(_ANALYSIS, [data])
    with pytest.raises(FileDamaged, match=_NAME), analysis_file.opened(blobs, _ANALYSIS) as parquet:
        analysis_file.unified([parquet.schema_arrow])
        assert parquet.read().num_rows < 10
        raise FileDamaged(_ANALYSIS, "keys")  # what is left, its keys betray


def _manifest(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(BackupUnusable) as refused:
        read_names(folder)
    assert str(folder) in str(refused.value)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 1000


_READERS = {"raw": _raw, "split": _split, "parquet": _parquet, "analysis": _analysis, "manifest": _manifest}


@pytest.mark.parametrize("kind", _READERS)
def test_manipulated_files_are_refused_by_name_and_cost_nothing(kind: str, tmp_path: Path) -> None:
    """In a process of its own, whose memory is limited."""
    names = [name for name in CONSTRUCTS if name.startswith(f"{kind}: ")]
    assert len(names) >= 6
    for name in names:
        (tmp_path / name).write_bytes(CONSTRUCTS[name](_CLAIMED))
    command = [sys.executable, "-m", "tests.hostile.test_archive_files", kind, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]}: {done.stderr[-2000:]}"


def main(kind: str, folder: str) -> None:
    """Read the files of a folder within the limit."""
    from jobs.isolation.frames import limit_memory

    limit_memory(_ALLOWED)
    for number, file in enumerate([path for path in Path(folder).iterdir() if path.is_file()]):
        sys.stdout.write(f"{file.name}\n")
        sys.stdout.flush()
        (made := Path(folder) / str(number)).mkdir()
        _READERS[kind](made, file.read_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
