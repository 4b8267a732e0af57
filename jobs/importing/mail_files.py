"""Reads mail from disk: .eml, folders, maildir, mbox, tar and zip archives; for imports and for the simulator.

Yields names and exact bytes, one message at a time, in an order that does not depend on the file system.
Archives are streamed, never extracted. Files that are not mail are skipped and reported. So are links, because they
could lead out of the folder or form a cycle. An unreadable file is an error.
"""

import gzip
import logging
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from jobs.importing import mbox
from jobs.importing.errors import MailNotFound, MailTooLarge, MailUnreadable

_LOG = logging.getLogger(__name__)

# Gmail imports no larger message.
MESSAGE_MAX_BYTES = 150 * 1024 * 1024

_ZIP_SUFFIX = ".zip"
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_MBOX_SUFFIXES = (".mbox", ".mbx")
#: Bytes that show whether a file is an mbox: its first line, and the header after it.
_LOOK_BYTES = 2048

#: Called with the name of each skipped file, and the reason.
Skipped = Callable[[str, str], None]


class SourceMail(NamedTuple):
    name: str  # where it lay inside its source
    raw: bytes  # exactly as it lay there
    postmark: bytes = b""  # of a message of an mbox: the line that begins it
    is_closed: bool = True  # False: the mbox may have been cut within it


def _log(name: str, reason: str) -> None:
    _LOG.warning("Skipped %s: %s", name, reason)


def read_mail(path: Path, skipped: Skipped = _log) -> Iterator[SourceMail]:
    """Yield all messages at a path.

    Args:
        skipped: called for skipped files; by default they are logged.

    Raises:
        MailNotFound: nothing is there.
        MailUnreadable: it is no mail, or damaged, or holds no message at all.
        MailTooLarge: one message is over `MESSAGE_MAX_BYTES`.
    """
    if not path.exists():
        raise MailNotFound(path)
    has_mail = False
    try:
        for mail in _read(path, skipped):
            has_mail = True
            yield mail
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        RuntimeError,
        NotImplementedError,
        EOFError,
        zlib.error,
        OSError,
    ) as exc:
        raise MailUnreadable(path, str(exc) or type(exc).__name__) from exc
    if not has_mail:
        raise MailUnreadable(path, "no message in it")


def _read(path: Path, skipped: Skipped) -> Iterator[SourceMail]:
    if path.is_dir():
        return _folder(path, skipped)
    mail = _of_file(path, path.name, skipped)
    if mail is None:
        raise MailUnreadable(path, "neither .eml nor mbox nor .tar.gz nor .zip")
    return mail


def _folder(folder: Path, skipped: Skipped) -> Iterator[SourceMail]:
    for path in _files(folder, skipped):
        name = path.relative_to(folder).as_posix()
        mail = _of_file(path, name, skipped)
        if mail is None:
            skipped(name, "it is no mail")
        else:
            yield from mail


def _files(folder: Path, skipped: Skipped) -> list[Path]:
    """The files below a folder, sorted; links are not followed."""
    paths: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=False):
        for name in (*folders, *names):
            path = Path(parent, name)
            if path.is_symlink():
                skipped(path.relative_to(folder).as_posix(), "it is a link")
            elif name in names and path.is_file():
                paths.append(path)
    return sorted(paths)


def _of_file(path: Path, name: str, skipped: Skipped) -> Iterator[SourceMail] | None:
    """The mail of one file; None when it is no mail."""
    lowered = path.name.lower()
    if lowered.endswith(_TAR_SUFFIXES):
        return _tar(path, skipped)
    if lowered.endswith(_ZIP_SUFFIX):
        return _zip(path, skipped)
    # In a maildir (cur, new), the files have no suffix.
    if lowered.endswith(".eml") or path.parent.name in ("cur", "new"):
        return _file(path, name)
    with path.open("rb") as file:
        start = file.read(_LOOK_BYTES)
    if mbox.is_mbox(start):
        return _mbox_file(path, name)
    return iter(()) if lowered.endswith(_MBOX_SUFFIXES) and not start else None


def _file(path: Path, name: str) -> Iterator[SourceMail]:
    _check_size(name, path.stat().st_size)
    yield SourceMail(name, path.read_bytes())


def _mbox_file(path: Path, name: str) -> Iterator[SourceMail]:
    with path.open("rb") as file:
        yield from _mbox(file, name)


def _mbox(file: IO[bytes], name: str) -> Iterator[SourceMail]:
    try:
        for number, entry in enumerate(mbox.entries(file, MESSAGE_MAX_BYTES)):
            yield SourceMail(f"{name}:{number}", entry.message, entry.postmark, entry.is_closed)
    except mbox.TooLong as exc:
        _check_size(f"{name}:{exc.number}", exc.size_bytes)


def _tar(path: Path, skipped: Skipped) -> Iterator[SourceMail]:
    with _opened(path) as file, tarfile.open(fileobj=file, mode="r|") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isreg():
                skipped(f"{path.name}/{member.name}", "it is a link")
                continue
            content = archive.extractfile(member)
            if content is None:
                raise MailUnreadable(path, "the archive ends too early")
            yield from _of_member(path, member, content, skipped)
        # tarfile accepts a truncated archive; gzip detects it at the end of the stream.
        while file.read(1024 * 1024):
            continue


class _Member(NamedTuple):
    name: str
    size: int


def _zip(path: Path, skipped: Skipped) -> Iterator[SourceMail]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                with archive.open(info) as content:
                    yield from _of_member(path, _Member(info.filename, info.file_size), content, skipped)


def _of_member(
    path: Path, member: tarfile.TarInfo | _Member, content: IO[bytes], skipped: Skipped
) -> Iterator[SourceMail]:
    parent = member.name.rpartition("/")[0].rpartition("/")[2]
    if member.name.lower().endswith(".eml") or parent in ("cur", "new"):
        _check_size(member.name, member.size)
        raw = content.read()
        if len(raw) != member.size:
            raise MailUnreadable(path, "the archive ends too early")
        yield SourceMail(member.name, raw)
        return
    start = content.read(_LOOK_BYTES)
    if not mbox.is_mbox(start):
        skipped(f"{path.name}/{member.name}", "it is no mail")
        return
    rest = _Resumed(start, content)
    yield from _mbox(cast(IO[bytes], rest), member.name)
    if rest.size_bytes != member.size:
        raise MailUnreadable(path, "the archive ends too early")


class _Resumed:
    """A stream whose beginning has been read; counts its bytes."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start, self._rest = start, rest
        self.size_bytes = 0

    def readline(self, size: int) -> bytes:
        """The next line, at most `size` bytes of it."""
        line = b""
        if self._start:
            end = self._start.find(b"\n") + 1 or len(self._start)
            line, self._start = self._start[:end], self._start[end:]
        if not line.endswith(b"\n") and not self._start:
            line += self._rest.readline(size)
        self.size_bytes += len(line)
        return line


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if compressed else path.open("rb")


def _check_size(name: str, size_bytes: int) -> None:
    if size_bytes > MESSAGE_MAX_BYTES:
        raise MailTooLarge(f"The message {name}", size_bytes, MESSAGE_MAX_BYTES)
