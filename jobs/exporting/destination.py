"""The destination of an export: written under a temporary name, then renamed, so that it is complete or absent.

An exported folder contains `export.json`, which describes it; only such a folder, or an empty one, is ever replaced.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from storage.errors import BackupError
from storage.files.file_format import NEWEST

MANIFEST = "export.json"


class DestinationTaken(BackupError):
    """The destination exists. Name another one, or use --force to replace an earlier export."""

    def __init__(self, path: str, replaceable: bool) -> None:
        super().__init__(path, replaceable)
        self.path, self.replaceable = path, replaceable

    def __str__(self) -> str:
        if self.replaceable:
            return f"{self.path} exists: name another place, or replace the export with --force."
        return f"{self.path} exists and is not an export of this program: name another place."


class DestinationUnusable(BackupError):
    """The export cannot be written. Make room, or name another destination."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"The export cannot be written to {self.path} ({self.reason}): make room, or name another place."


@contextmanager
def destination(path: Path, force: bool) -> Iterator[Path]:
    """Yield a temporary name beside `path` for a file or a folder (readable by its owner only).

    At the end of the block it is synced and renamed to `path`; if the block raises, it is deleted.

    Raises:
        DestinationTaken, DestinationUnusable.
    """
    path = path.absolute()
    _require_free(path, force)
    partial = path.with_name(f".{path.name[:200]}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        if partial.is_dir():
            os.sync()  # one call; an export of small files would need one per file
        _replace(partial, path)
    except OSError as exc:
        raise DestinationUnusable(str(path), exc.strerror or str(exc)) from exc
    finally:
        _remove(partial)


@contextmanager
def in_place(path: Path, force: bool) -> Iterator[Path]:
    """Yield a new folder at `path` itself, for files that refer to one another by path.

    If the block raises, the folder is deleted and a previous export is restored. Raises as `destination`.
    """
    path = path.absolute()
    _require_free(path, force)
    old = path.with_name(f".{path.name[:200]}.{uuid.uuid4().hex}.old")
    try:
        if path.exists():
            path.rename(old)
        try:
            path.mkdir(mode=0o700)
            yield path
            os.sync()
        except BaseException:
            _remove(path)
            if old.exists():
                old.rename(path)
            raise
        _remove(old)
    except OSError as exc:
        raise DestinationUnusable(str(path), exc.strerror or str(exc)) from exc


def write_manifest(folder: Path, document: dict[str, object]) -> None:
    """Write `export.json`, which marks a folder as an export and describes it and its format."""
    numbered = {"format_number": NEWEST["export"], **document}
    content = orjson.dumps(numbered, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_private(folder / MANIFEST, content)


def create_private(path: Path) -> str:
    """Create an empty file that only its owner may read, for a library that opens it by the returned name."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return str(path)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read. It is synced at the end of the export."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that only its owner may read; synced at the end of the block."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _require_free(path: Path, force: bool) -> None:
    if not path.is_symlink() and not path.exists():
        if not path.parent.is_dir():
            raise DestinationUnusable(str(path), "its folder does not exist")
        return
    if path.is_dir() and not path.is_symlink():
        replaceable = (path / MANIFEST).is_file() or not any(path.iterdir())
    else:
        replaceable = path.is_file()
    if not (force and replaceable):
        raise DestinationTaken(str(path), replaceable)


def _replace(partial: Path, path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        partial.replace(path)
        return
    old = path.with_name(f"{partial.name}.old")
    path.rename(old)
    partial.rename(path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
