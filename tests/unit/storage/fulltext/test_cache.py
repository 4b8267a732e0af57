"""The cache of opened splits: bounded, shared, and no worse for threads, other processes and damage."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.fulltext import cache as cache_module
from storage.fulltext.cache import SplitCache
from storage.fulltext.split import Split
from storage.query.conditions import Contains
from tests.unit.storage.fulltext.made import Made, newest, reading, split

WORD = Contains(("text",), ("word",))


class Archive:
    """Splits by name, each of one message with its number; counts what is read."""

    def __init__(self, count: int) -> None:
        self.files = {f"0001/{number}.split": split([_made(number)]) for number in range(count)}
        self.reads = 0

    def open(self, cache: SplitCache, number: int) -> Split | None:
        name = f"0001/{number}.split"
        size_bytes, read = reading(self.files[name])

        def counted(offset: int, wanted: int) -> bytes:
            self.reads += offset == 0
            return read(offset, wanted)

        return cache.open(name, size_bytes, counted)


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _made(number: int) -> Made:
    return Made(number, {"text": ("word",)})


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_split_is_read_once_and_by_the_next_process_not_at_all(root: Path) -> None:
    archive, cache = Archive(1), SplitCache(root, 1 << 30, 10)
    first = archive.open(cache, 0)
    reads = archive.reads

    assert archive.open(cache, 0) is first
    assert archive.open(SplitCache(root, 1 << 30, 10), 0) is not None
    assert archive.reads == reads
    assert root.stat().st_mode & 0o077 == 0


def test_the_split_used_longest_ago_goes_first_and_stays_usable(root: Path) -> None:
    archive, clock = Archive(4), Clock()
    cache = SplitCache(root, 1 << 30, 2, clock)
    for number in (0, 1):
        opened = archive.open(cache, number)
        os.utime(root / f"0001-{number}.split", (number, number))
    first = archive.open(cache, 0)
    clock.now += 120
    archive.open(cache, 0)  # noted on the disk, too
    archive.open(cache, 2)

    assert folders(root) == ["0001-0.split", "0001-2.split"]
    assert opened is not None and newest(opened, WORD) == [1]
    assert first is archive.open(cache, 0)
    assert archive.open(cache, 1) is not opened


def test_the_folder_is_bounded_in_bytes_but_holds_one(root: Path) -> None:
    archive, cache = Archive(3), SplitCache(root, 1, 100)

    for number in range(3):
        found = archive.open(cache, number)
        assert found is not None and newest(found, WORD) == [number]
        assert folders(root) == [f"0001-{number}.split"]


def test_a_split_that_declares_more_than_the_folder_may_hold_is_not_used(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_SMALL_BYTES", 1)
    archive = Archive(1)

    assert archive.open(SplitCache(root, 1, 100), 0) is None
    assert folders(root) == []
    assert archive.open(SplitCache(root, 1 << 20, 100), 0) is not None


def test_threads_that_ask_at_once_unpack_once(root: Path) -> None:
    archive, cache, start = Archive(1), SplitCache(root, 1 << 30, 10), threading.Barrier(8)

    def ask(_: int) -> Split | None:
        start.wait()
        return archive.open(cache, 0)

    with ThreadPoolExecutor(8) as pool:
        assert len({id(found) for found in pool.map(ask, range(8))}) == 1


def test_threads_are_answered_while_splits_come_and_go(root: Path) -> None:
    archive, cache = Archive(6), SplitCache(root, 1 << 30, 2)

    def ask(number: int) -> list[int]:
        found = archive.open(cache, number % 6)
        assert found is not None
        return newest(found, WORD)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(120))) == [[number % 6] for number in range(120)]
    assert len(folders(root)) <= 2


def _asks(root: Path, files: dict[str, bytes], rounds: int) -> None:
    archive = Archive(0)
    archive.files = files
    for number in range(rounds):
        cache = SplitCache(root, 1 << 30, 1)  # nothing open: everything from the folder
        found = archive.open(cache, number % 3)
        assert found is not None and newest(found, WORD) == [number % 3]


def test_processes_share_a_folder_and_take_its_files_from_one_another(root: Path) -> None:
    context = multiprocessing.get_context("spawn")
    files = Archive(3).files
    processes = [context.Process(target=_asks, args=(root, files, 40)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0]
    assert len(folders(root)) <= 2


def test_a_damaged_split_is_logged_once_by_name_and_retried_later(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive, clock = Archive(1), Clock()
    cache, name, good = SplitCache(root, 1 << 30, 10, clock), "0001/0.split", archive.files["0001/0.split"]
    archive.files[name] = good[:100] + bytes([good[100] ^ 1]) + good[101:]

    assert archive.open(cache, 0) is None
    assert archive.open(cache, 0) is None
    assert [record.getMessage().count(name) for record in caplog.records] == [2]

    archive.files[name] = good
    clock.now += 61
    assert archive.open(cache, 0) is not None
    assert folders(root) == ["0001-0.split"]


def _cut(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:10])


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize("harm", [_cut, _empty])
def test_a_spoiled_unpacked_split_is_unpacked_again(root: Path, harm: Callable[[Path], None]) -> None:
    archive = Archive(1)
    archive.open(SplitCache(root, 1 << 30, 10), 0)
    harm(root / "0001-0.split")

    found = archive.open(SplitCache(root, 1 << 30, 10), 0)

    assert found is not None and newest(found, WORD) == [0]


def test_a_folder_that_cannot_be_written_costs_the_index_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()

    assert Archive(1).open(SplitCache(tmp_path / "file" / "cache", 1 << 30, 10), 0) is None
    assert "0001/0.split" in caplog.text


def test_files_left_by_a_killed_process_are_deleted(root: Path) -> None:
    old, new = root / ".0-old", root / ".0-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 7200, time.time() - 7200))

    Archive(1).open(SplitCache(root, 1 << 30, 10), 0)

    assert (old.exists(), new.exists()) == (False, True)
