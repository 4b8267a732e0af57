"""The opened splits of one process, over a folder of unpacked ones that processes of one machine may share.

A split is unpacked from the archive once, checked, and stays until the folder is fuller than it may be; the one used
longest ago goes first. Whoever has it open keeps it. A split that cannot be had is told in the log, by name, and
searches read the messages instead. Safe between threads and between processes.
"""

import atexit
import logging
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from storage.config import ArchiveConfig
from storage.files.blobs import FileDamaged
from storage.fulltext import container
from storage.fulltext.split import Split

_LOG = logging.getLogger(__name__)

#: Seconds until a split that could not be had is tried again, and of these at most so many are remembered.
_REFUSED_S = 60.0
_MOST_REFUSED = 1000
#: Seconds between two notes on the disk that a split is in use.
_TOUCHED_S = 60.0
#: Age of a folder that a process left behind when it was killed while unpacking.
_LEFT_BEHIND_S = 3600.0
_GATES = 16


@dataclass(slots=True)
class _Opened:
    split: Split
    size_bytes: int
    touched_at: float


class SplitCache:
    """Opens splits, each once."""

    def __init__(
        self, folder: Path, most_bytes: int, most_splits: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`most_bytes`, `most_splits`: of the folder, and of what this process has open."""
        self._folder, self._most_bytes, self._most_splits, self._clock = folder, most_bytes, most_splits, clock
        self._lock = threading.Lock()
        self._gates = [threading.Lock() for _ in range(_GATES)]  # two threads never unpack one split
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()

    def open(self, name: str, size_bytes: int, read: container.Read) -> Split | None:
        """A split of the archive; None when it cannot be had.

        Args:
            size_bytes: of its file; read: what reads that.
        """
        found = self._get(name)
        if found or self._is_refused(name):
            return found
        with self._gates[hash(name) % _GATES]:
            found = self._get(name)
            if found or self._is_refused(name):
                return found
            try:
                split, unpacked_bytes = self._load(name, size_bytes, read)
            except (FileDamaged, OSError) as exc:
                self.refuse(name, exc)
                return None
            self._keep(name, _Opened(split, unpacked_bytes, self._clock()))
            return split

    def refuse(self, name: str, reason: Exception) -> None:
        """Forget a split that failed, for a while; what is unpacked of it goes."""
        _LOG.warning("Searches do without the word index %s: %s", name, reason)
        with self._lock:
            self._opened.pop(name, None)
            self._refused[name] = self._clock() + _REFUSED_S
            while len(self._refused) > _MOST_REFUSED:
                self._refused.popitem(last=False)
        self._remove(self._path(name))

    def _is_refused(self, name: str) -> bool:
        with self._lock:
            return self._refused.get(name, 0.0) > self._clock()

    def _get(self, name: str) -> Split | None:
        now = self._clock()
        with self._lock:
            opened = self._opened.get(name)
            if opened is None:
                return None
            self._opened.move_to_end(name)
            is_due, opened.touched_at = now - opened.touched_at > _TOUCHED_S, now
        if is_due:
            self._touch(self._path(name))
        return opened.split

    def _keep(self, name: str, opened: _Opened) -> None:
        with self._lock:
            self._opened[name] = opened
            while len(self._opened) > 1 and (
                len(self._opened) > self._most_splits
                or sum(other.size_bytes for other in self._opened.values()) > self._most_bytes
            ):
                self._opened.popitem(last=False)

    def _load(self, name: str, size_bytes: int, read: container.Read) -> tuple[Split, int]:
        path = self._path(name)
        if path.is_dir():
            try:
                split = Split(name, path)
                self._touch(path)
                return split, _size(path)
            except (FileDamaged, FileNotFoundError):  # another process takes it away, or it was cut short
                self._remove(path)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
        try:
            unpacked_bytes = container.unpack(name, size_bytes, read, made)
            split = Split(name, made)
            made.rename(path)
        except OSError:
            if not path.is_dir():  # else another process was first, and what is open here is as good
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
        self._trim(path)
        return split, unpacked_bytes

    def _trim(self, newest: Path) -> None:
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                used_at = path.stat().st_mtime
                if path.name.startswith("."):
                    if time.time() - used_at > _LEFT_BEHIND_S:
                        shutil.rmtree(path, ignore_errors=True)
                elif path != newest:
                    found.append((used_at, _size(path), path))
        splits, size_bytes = len(found) + 1, sum(each[1] for each in found) + _size(newest)
        for _, freed_bytes, path in sorted(found):
            if splits <= self._most_splits and size_bytes <= self._most_bytes:
                return
            self._remove(path)
            splits, size_bytes = splits - 1, size_bytes - freed_bytes

    def _remove(self, path: Path) -> None:
        """At once, as far as its name goes: nobody opens half a folder."""
        with suppress(OSError):
            gone = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
            with suppress(OSError):
                path.rename(gone / "gone")
            shutil.rmtree(gone, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self._folder / name.replace("/", "-")

    @staticmethod
    def _touch(path: Path) -> None:
        with suppress(FileNotFoundError):
            os.utime(path)


def cache_of(config: ArchiveConfig) -> SplitCache:
    """This process's cache of a configuration."""
    return _cache(config.words_cache, config.words_cache_bytes, config.words_cache_splits)


@cache
def _cache(folder: str, most_bytes: int, most_splits: int) -> SplitCache:
    if not folder:
        folder = tempfile.mkdtemp(prefix="gbm-words-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return SplitCache(Path(folder), most_bytes, most_splits)


def _size(folder: Path) -> int:
    """Of what is still there: another thread or process may be taking it away."""
    size_bytes = 0
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            size_bytes += path.stat().st_size
    return size_bytes
