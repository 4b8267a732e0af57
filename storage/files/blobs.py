"""The archive's files, by name under one URI. `put` writes each file once and syncs it before it returns.

The only implementation is a local or mounted directory (`file:///…`); an object store would implement the same methods.
"""

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from storage.errors import BackupError
from storage.failpoints import FailPoint, hit
from storage.model.records import FileDigest


class ArchiveUnusable(BackupError):
    """The archive's URI cannot be used. Correct GBM_ARCHIVE__URI, or the folder's permissions."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri, self.reason = uri, reason

    def __str__(self) -> str:
        return f"The archive {self.uri} cannot be used ({self.reason}): correct GBM_ARCHIVE__URI or its permissions."


class ArchiveFull(ArchiveUnusable):
    """The archive's disk has no more room than its reserve. Free space; nothing is lost, and it goes on by itself."""

    def __str__(self) -> str:
        return f"The disk of the archive {self.uri} is full ({self.reason}): free space; the backup then resumes."


class ArchiveReadOnly(ArchiveUnusable):
    """The archive's disk takes no writes. Mount it for writing; nothing is lost, and it goes on by itself."""

    def __str__(self) -> str:
        return f"The archive {self.uri} is read-only ({self.reason}): mount it for writing."


def archive_error(uri: str, error: OSError) -> ArchiveUnusable:
    """What an error of the archive's file system means."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ArchiveFull(uri, reason)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return ArchiveReadOnly(uri, reason)
    return ArchiveUnusable(uri, reason)


class FileDamaged(BackupError):
    """A file of the archive is missing or corrupt. Restore the file from a copy of the archive."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"The archive's file {self.name} is damaged ({self.reason}): restore it from a copy."


class FileMissing(FileDamaged):
    """The file does not exist. List the files again and retry: it was merged; if it is listed again, it is lost."""


@dataclass(frozen=True, slots=True)
class BlobStat:
    """A file in a listing. `modified_at`: seconds since 1970."""

    name: str
    size_bytes: int
    modified_at: float


class NameRefused(FileDamaged):
    """A name leads out of the archive. The catalog, or the file that contains the name, was manipulated: replace it."""

    def __init__(self, name: str) -> None:
        super().__init__(ascii(name)[1:-1][:200], "the name leads out of the archive")
        self.args = (name,)

    def __str__(self) -> str:
        return (
            f"The name {self.name} leads out of the archive: restore the catalog, or the file that contains the name."
        )


class LocalBlobs:
    """Files in a local directory. Names are relative paths that storage makes, with '/' between folders.

    Every method raises `NameRefused` for an absolute path or one that leaves the directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, chunks: Iterable[bytes | memoryview]) -> int:
        """Write and sync a new file; return its size in bytes. A failed write leaves no partial file."""
        path = self._path(name)
        self._make(path.parent)
        with open(path, "xb", opener=_owner_only) as file:
            try:
                size = _write(file, chunks)
            except BaseException:  # a partial file would only waste space, worst when the disk is full
                path.unlink(missing_ok=True)
                raise
        _sync_folder(path.parent)
        return size

    def put_digested(self, name: str, chunks: Iterable[bytes | memoryview]) -> FileDigest:
        """The same; return the size and the SHA-256 of what was handed to the file system."""
        digest = hashlib.sha256()

        def summed() -> Iterator[bytes | memoryview]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        size = self.put(name, summed())
        return FileDigest(name, size, digest.digest())

    def replace(self, name: str, chunks: Iterable[bytes | memoryview]) -> int:
        """Write and sync a file in place of one of this name; if the write fails, that one stays. Return the size."""
        path, new = self._path(name), f"{name}.new"
        self._path(new).unlink(missing_ok=True)  # of a write that was interrupted
        size = self.put(new, chunks)
        self._path(new).replace(path)
        _sync_folder(path.parent)
        return size

    def require_room(self, reserve_bytes: int, file_bytes: int = 0) -> None:
        """Refuse to begin files while the disk has no more room than the reserve and they.

        Args:
            file_bytes: how large the files will be at most; 0: little beside the reserve.

        Raises:
            ArchiveFull.
        """
        free = self.free_bytes()
        if free <= reserve_bytes + file_bytes:
            needed = f", and {file_bytes >> 20} MiB are needed" if file_bytes else ""
            raise ArchiveFull(
                self._root.as_uri(),
                f"{free >> 20} MiB are free, of which {reserve_bytes >> 20} MiB stay reserved{needed}",
            )

    def free_bytes(self) -> int:
        """Free bytes of the archive's disk."""
        return shutil.disk_usage(self._root).free

    def read(self, name: str, offset: int, size_bytes: int) -> bytes:
        """Read a range of a file.

        Raises:
            FileMissing: the file does not exist.
            FileDamaged: the file ends before the range does.
        """
        try:
            with self._path(name).open("rb") as file:
                data = os.pread(file.fileno(), size_bytes, offset)
        except FileNotFoundError as exc:
            raise FileMissing(name, "it is missing") from exc
        if len(data) != size_bytes:
            raise FileDamaged(name, f"it ends before byte {offset + size_bytes}")
        return data

    def size(self, name: str) -> int:
        """Size of a file in bytes.

        Raises:
            FileMissing.
        """
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError as exc:
            raise FileMissing(name, "it is missing") from exc

    def location(self, name: str) -> str:
        """The path that DuckDB and pyarrow open."""
        return str(self._path(name))

    def list(self, folder: str) -> Iterator[BlobStat]:
        """Every file below a folder, in no order. A missing folder counts as empty."""
        for path in self._path(folder).rglob("*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # deleted since the folder was read
                continue
            if stat.S_ISREG(status.st_mode):
                yield BlobStat(path.relative_to(self._root).as_posix(), status.st_size, status.st_mtime)

    def delete(self, name: str) -> None:
        """Remove a file. A missing file is not an error."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if name.startswith("/") or "\0" in name or ".." in name.split("/"):
            raise NameRefused(name)
        return self._root / name

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while folder != self._root.parent:  # a new folder is durable once its parent is synced
            folder = folder.parent
            _sync_folder(folder)


def open_blobs(uri: str) -> LocalBlobs:
    """Open the archive at a URI.

    Raises:
        ArchiveUnusable: unknown scheme, relative path, or a folder that cannot be created.
    """
    shown = re.sub(r"//[^/]*@", "//***@", uri)  # an object store's URI may contain a secret
    try:
        parts = urlsplit(uri)
    except ValueError as exc:
        raise ArchiveUnusable(shown, "it is not of the form file:///FOLDER") from exc
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ArchiveUnusable(shown, "it is not of the form file:///FOLDER")
    root = Path(unquote(parts.path))
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, ValueError) as exc:
        raise ArchiveUnusable(shown, getattr(exc, "strerror", None) or str(exc)) from exc
    return LocalBlobs(root)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(file: BinaryIO, chunks: Iterable[bytes | memoryview]) -> int:
    size = 0
    for chunk in chunks:
        is_first = size == 0
        size += file.write(chunk)
        if is_first:
            hit(FailPoint.FILE_BEGUN)
    file.flush()
    hit(FailPoint.FILE_WRITTEN)
    os.fsync(file.fileno())
    hit(FailPoint.FILE_SYNCED)
    return size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
