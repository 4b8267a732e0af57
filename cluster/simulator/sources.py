"""Mail as it lies on disk: .eml, folders, maildir, mbox, tar archives.

Yields names and exact bytes, one message at a time, in an order that does not depend on the file system.
Archives are streamed, never extracted. What is not mail is passed over; what cannot be read is an error.
"""

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from cluster.simulator.errors import MailNotFound, MailTooLarge, MailUnreadable

# Gmail imports no larger message, so none can lie in a mailbox.
MESSAGE_MAX_BYTES = 150 * 1024 * 1024

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
# Some writers do not quote "From " in text, so a line counts only with a time in it.
_POSTMARK = re.compile(rb"From .*\d:\d\d")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


class SourceMail(NamedTuple):
    name: str  # where it lay inside its source
    raw: bytes  # exactly as it lay there


def read_mail(path: Path) -> Iterator[SourceMail]:
    """All messages at a path.

    Raises:
        MailNotFound: nothing is there.
        MailUnreadable: it is no mail, or damaged, or holds no message at all.
        MailTooLarge: one message is over `MESSAGE_MAX_BYTES`.
    """
    if not path.exists():
        raise MailNotFound(path)
    found = False
    try:
        for mail in _read(path):
            found = True
            yield mail
    except (tarfile.TarError, EOFError, zlib.error, OSError) as exc:
        raise MailUnreadable(path, str(exc) or type(exc).__name__) from exc
    if not found:
        raise MailUnreadable(path, "no message in it")


def _read(path: Path) -> Iterator[SourceMail]:
    if path.is_dir():
        return _folder(path)
    if path.name.lower().endswith(_TAR_SUFFIXES):
        return _tar(path)
    if path.suffix.lower() == ".eml":
        return _file(path, path.name)
    if _is_mbox(path):
        return _mbox(path)
    raise MailUnreadable(path, "neither .eml nor mbox nor .tar.gz")


def _folder(folder: Path) -> Iterator[SourceMail]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        # In a maildir (cur, new), the files have no suffix.
        if path.suffix.lower() == ".eml" or path.parent.name in ("cur", "new"):
            yield from _file(path, name)
        elif path.suffix.lower() == ".mbox":
            yield from _mbox(path)


def _file(path: Path, name: str) -> Iterator[SourceMail]:
    _check_size(name, path.stat().st_size)
    yield SourceMail(name, path.read_bytes())


def _tar(path: Path) -> Iterator[SourceMail]:
    with _opened(path) as file, tarfile.open(fileobj=file, mode="r|") as archive:
        for member in archive:
            if not member.isreg() or not member.name.lower().endswith(".eml"):
                continue
            _check_size(member.name, member.size)
            content = archive.extractfile(member)
            raw = b"" if content is None else content.read()
            if len(raw) != member.size:
                raise MailUnreadable(path, "the archive ends too early")
            yield SourceMail(member.name, raw)
        # tarfile takes a missing end for the end; only gzip knows better, once read through.
        while file.read(1024 * 1024):
            continue


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if compressed else path.open("rb")


def _is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"From "


def _mbox(path: Path) -> Iterator[SourceMail]:
    """Messages between "From " lines, unquoted as mboxrd says (one ">" less), without the closing blank line."""
    lines: list[bytes] = []
    size = count = 0
    after_blank, started = True, False
    with path.open("rb") as file:
        for line in file:
            if after_blank and line.startswith(b"From ") and (not started or _POSTMARK.match(line)):
                if started:
                    yield _from_lines(f"{path.name}:{count}", lines)
                    count += 1
                lines, size, started = [], 0, True
            else:
                lines.append(line)
                size += len(line)
                if size > MESSAGE_MAX_BYTES:
                    _check_size(f"{path.name}:{count}", size)
            after_blank = line in (b"\n", b"\r\n")
    if started:
        yield _from_lines(f"{path.name}:{count}", lines)


def _from_lines(name: str, lines: list[bytes]) -> SourceMail:
    if lines and lines[-1] in (b"\n", b"\r\n"):
        lines = lines[:-1]
    return SourceMail(name, _QUOTED_FROM.sub(rb"\1", b"".join(lines)))


def _check_size(name: str, size_bytes: int) -> None:
    if size_bytes > MESSAGE_MAX_BYTES:
        raise MailTooLarge(f"The message {name}", size_bytes, MESSAGE_MAX_BYTES)
