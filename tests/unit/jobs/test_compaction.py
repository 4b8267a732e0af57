"""A merge lets every other thread go first, and the thread that asks for it stays as it was."""

import os
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from jobs.compaction import compact, run_low_priority
from storage.config import ArchiveConfig
from storage.files.blobs import ArchiveFull


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
def test_only_the_threads_that_do_the_work_give_way() -> None:
    def nice() -> tuple[int, str]:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), threading.current_thread().name

    before = nice()
    inside, name = run_low_priority(nice)

    assert inside == max(10, before[0])
    assert name != before[1]
    assert nice() == before


def test_what_goes_wrong_is_raised_where_it_was_asked_for() -> None:
    with pytest.raises(ZeroDivisionError):
        run_low_priority(lambda: 1 / 0)


def test_a_merge_leaves_the_reserve_of_the_disk_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0000").mkdir()
    for suffix in (".raw.zst", ".parquet", ".split"):
        (tmp_path / "0000" / f"one{suffix}").write_bytes(bytes(100))
    (tmp_path / "0000" / "one.a1").write_bytes(bytes(50))
    (tmp_path / "0000" / "another.raw.zst").write_bytes(bytes(1000))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("storage.files.blobs.shutil.disk_usage", lambda _path: usage(0, 0, 1_350))
    archive = ArchiveConfig(uri=tmp_path.as_uri(), reserve_bytes=1_000)

    with pytest.raises(ArchiveFull):
        compact(archive, 0, 1, {"0000/one": "0000/one.a1"})
    monkeypatch.setattr("storage.files.blobs.shutil.disk_usage", lambda _path: usage(0, 0, 1_351))
    merged, _ = compact(archive, 0, 1, {"0000/one": "0000/one.a1"})
    assert merged.segment is None, "one segment alone is not merged"
