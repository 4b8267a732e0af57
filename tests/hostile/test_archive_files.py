"""Every manipulated file of an archive is refused by name, before it takes the memory that it declares."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.outcomes import Failed

from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.raw_file import read_ending
from storage.fulltext import container
from storage.recovery.backup_manifest import BackupUnusable, read_names
from storage.recovery.rollup_reader import rolled_of
from storage.segments import analysis_file
from storage.segments.merge.sources import Unmergeable, blaming, open_parquet
from tests.hostile.archive_files import MANIFESTS, PARQUETS, RAW_FILES, ROLLUPS, SPLITS

#: Bytes that a construct would take, and that reading it may add.
_CLAIMED, _ALLOWED = 400 << 20, 300 << 20
_SIZES = (_CLAIMED // 100, _CLAIMED // 10, _CLAIMED)
#: Ten times the size may take so many times as long: 100 would be the square. What is below the noise is not measured.
_GROWTH, _NOISE_S = 30, 0.3
_NAME = "0000/00000001-" + "0" * 32
_ANALYSIS = f"{_NAME}.00000001-{'0' * 32}.analysis"
CONSTRUCTS = {
    **{f"raw: {name}": made for name, made in RAW_FILES.items()},
    **{f"split: {name}": made for name, made in SPLITS.items()},
    **{f"parquet: {name}": made for name, made in PARQUETS.items()},
    **{f"analysis: {name}": made for name, made in PARQUETS.items()},
    **{f"manifest: {name}": made for name, made in MANIFESTS.items()},
    **{f"rollup: {name}": made for name, made in ROLLUPS.items()},
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
    with pytest.raises((FileDamaged, container.SplitTooLarge), match=_NAME):
        container.unpack(_NAME, len(data), _bytes(data), folder, most_bytes=_ALLOWED)  # as a cache of this size does
    assert sum(file.stat().st_size for file in folder.iterdir()) < _ALLOWED


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


def _rollup(folder: Path, data: bytes) -> None:
    blobs = LocalBlobs(folder)
    blobs.put(f"{_NAME}.rollup", [data])
    readable, damaged = rolled_of(blobs, 0)
    assert readable == [] and [name for name, _ in damaged] == [f"{_NAME}.rollup"], readable
    assert all(reason for _, reason in damaged)


_READERS = {
    "raw": _raw,
    "split": _split,
    "parquet": _parquet,
    "analysis": _analysis,
    "manifest": _manifest,
    "rollup": _rollup,
}


@pytest.mark.parametrize("kind", _READERS)
def test_manipulated_files_are_refused_by_name_and_cost_nothing(kind: str, tmp_path: Path) -> None:
    """In a process of its own, whose memory is limited; at three sizes, of which the largest must be refused."""
    names = [name for name in CONSTRUCTS if name.startswith(f"{kind}: ")]
    assert len(names) >= 6
    for name in names:
        for number, size in enumerate(_SIZES):
            (tmp_path / f"{name}@{number}").write_bytes(CONSTRUCTS[name](size))
    command = [sys.executable, "-m", "tests.hostile.test_archive_files", kind, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"{lines[-1:]}: {done.stderr[-2000:]}"
    spent = dict(line.rsplit("\t", 1) for line in lines)
    assert len(spent) == len(_SIZES) * len(names)
    for name in names:
        small, middle, large = (float(spent[f"{name}@{number}"]) for number in range(len(_SIZES)))
        assert large <= _GROWTH * max(small, middle) + _NOISE_S, (name, small, middle, large)


def test_every_kind_of_file_that_is_read_back_has_its_constructs() -> None:
    assert len(CONSTRUCTS) >= 60
    assert {name.split(":")[0] for name in CONSTRUCTS} == set(_READERS)


def main(kind: str, folder: str) -> None:
    """Read the files of a folder within the limit; print what processor time each takes."""
    from jobs.isolation.frames import limit_memory

    limit_memory(_ALLOWED)
    for number, file in enumerate(sorted(path for path in Path(folder).iterdir() if path.is_file())):
        (made := Path(folder) / str(number)).mkdir()
        data, began = file.read_bytes(), time.process_time()
        try:
            _READERS[kind](made, data)
        except (Failed, AssertionError):  # a small one may be what it says
            if file.name.endswith(f"@{len(_SIZES) - 1}"):
                raise
        sys.stdout.write(f"{file.name}\t{time.process_time() - began}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
