"""Cache of opened splits, over a folder of unpacked splits that the processes of a machine may share.

A split is unpacked from the archive once, verified, and kept until the folder is over its limit; the least recently
used split is evicted first. Processes that have an evicted split open keep it open. A split that cannot be opened is
logged by name, and searches read the messages instead. Safe between threads and between processes.
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

from cachetools import TTLCache

from storage.config import ArchiveConfig
from storage.files.blobs import FileDamaged
from storage.fulltext import container
from storage.fulltext.split import Split

_LOG = logging.getLogger(__name__)

#: Seconds until a failed split is retried, and the most failed splits to remember.
_REFUSED_S = 60.0
_MOST_REFUSED = 1000
#: Seconds between two updates of a split's last use on disk.
_TOUCHED_S = 60.0
#: Age in seconds at which the temporary folder of a killed process is removed.
_LEFT_BEHIND_S = 3600.0
_GATES = 16
#: A split of at most this size is unpacked whatever the folder's limit.
_SMALL_BYTES = 256 << 20


@dataclass(slots=True)
class _Opened:
    split: Split
    size_bytes: int
    touched_at: float


class SplitCache:
    """Opens each split once."""

    def __init__(
        self, folder: Path, most_bytes: int, most_splits: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`most_bytes`: limit of the folder; `most_splits`: limit of the folder and of open splits."""
        self._folder, self._most_bytes, self._most_splits, self._clock = folder, most_bytes, most_splits, clock
        self._lock = threading.Lock()
        self._gates = [threading.Lock() for _ in range(_GATES)]  # one thread at a time unpacks a split
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._refused: TTLCache[str, None] = TTLCache(_MOST_REFUSED, ttl=_REFUSED_S, timer=clock)

    def open(self, name: str, size_bytes: int, read: container.Read) -> Split | None:
        """Open a split of the archive; None when it cannot be opened.

        Args:
            size_bytes: size of its file; read: reads a range of the file.
        """
        split = self._get(name)
        if split or self._is_refused(name):
            return split
        with self._gates[hash(name) % _GATES]:
            split = self._get(name)
            if split or self._is_refused(name):
                return split
            try:
                split, unpacked_bytes = self._load(name, size_bytes, read)
            except (FileDamaged, container.SplitTooLarge, OSError) as exc:
                self.refuse(name, exc)
                return None
            self._keep(name, _Opened(split, unpacked_bytes, self._clock()))
            return split

    def refuse(self, name: str, reason: Exception) -> None:
        """Stop using a split that failed, for a while, and delete its unpacked files."""
        _LOG.warning("The word index %s is not used by searches: %s", name, reason)
        with self._lock:
            self._opened.pop(name, None)
            self._refused[name] = None
        self._remove(self._path(name))

    def _is_refused(self, name: str) -> bool:
        with self._lock:
            return name in self._refused

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
            except (FileDamaged, FileNotFoundError):  # another process evicts it, or it is incomplete
                self._remove(path)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
        try:
            most_bytes = max(self._most_bytes, _SMALL_BYTES)
            unpacked_bytes = container.unpack(name, size_bytes, read, temporary, most_bytes)
            split = Split(name, temporary)
            temporary.rename(path)
        except OSError:
            if not path.is_dir():  # otherwise another process was first, and the split opened here is as good
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._trim(path)
        return split, unpacked_bytes

    def _trim(self, newest: Path) -> None:
        sizes: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                used_at = path.stat().st_mtime
                if path.name.startswith("."):
                    if time.time() - used_at > _LEFT_BEHIND_S:
                        shutil.rmtree(path, ignore_errors=True)
                elif path != newest:
                    sizes.append((used_at, _size(path), path))
        splits, size_bytes = len(sizes) + 1, sum(size for _, size, _ in sizes) + _size(newest)
        for _, freed_bytes, path in sorted(sizes):
            if splits <= self._most_splits and size_bytes <= self._most_bytes:
                return
            self._remove(path)
            splits, size_bytes = splits - 1, size_bytes - freed_bytes

    def _remove(self, path: Path) -> None:
        """Rename first, then delete, so that no process opens a partial folder."""
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
    return _cache(config.index_cache, config.index_cache_bytes, config.index_cache_splits)


@cache
def _cache(folder: str, most_bytes: int, most_splits: int) -> SplitCache:
    if not folder:
        folder = tempfile.mkdtemp(prefix="gbm-words-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return SplitCache(Path(folder), most_bytes, most_splits)


def _size(folder: Path) -> int:
    """Size of the files that still exist: another thread or process may be deleting the folder."""
    size_bytes = 0
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            size_bytes += path.stat().st_size
    return size_bytes
