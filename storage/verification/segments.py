"""Verifies the files of one segment: each against its recorded SHA-256, each message against its own, and each other.

A file of an earlier release has no recorded SHA-256: then everything that its format can tell is checked, and what was
found sound is recorded from now on.
"""

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from storage.files.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.files.raw_file import RAW_INDEX, read_ending
from storage.fulltext import container
from storage.model.records import FileDigest
from storage.recovery.rollup_reader import require_sound
from storage.segments import analysis_file
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX, SPLIT_SUFFIX
from storage.segments.merge.sources import open_parquet
from storage.verification.files import Damage, OnBytes, digest_of, read_raw

CHANGED = "it is not what was written: its SHA-256 differs"


class SegmentRow(NamedTuple):
    """A live segment, as the catalogue has it. Sizes are in bytes; words_bytes, analysis: None: there is none."""

    segment_id: int
    name: str
    messages: int
    size_bytes: int
    raw_bytes: int
    parquet_bytes: int
    words_bytes: int | None
    analysis: str | None
    analysis_bytes: int | None

    def files(self) -> dict[str, int]:
        """Whole names and sizes of its files."""
        files = {self.name + RAW_SUFFIX: self.raw_bytes, self.name + PARQUET_SUFFIX: self.parquet_bytes}
        if self.words_bytes is not None:
            files[self.name + SPLIT_SUFFIX] = self.words_bytes
        if self.analysis is not None:
            files[self.analysis] = self.analysis_bytes or 0
        return files


@dataclass(slots=True)
class Checked:
    """What a look at files found.

    keys: RAW_INDEX of the segment's messages as its files have them, or the message index where they cannot be read.
    fresh: digests of sound files that had none.
    """

    damaged: list[Damage] = field(default_factory=list)
    keys: pa.Table | None = None
    fresh: list[FileDigest] = field(default_factory=list)
    files: int = 0
    stored_bytes: int = 0
    mail_bytes: int = 0

    @property
    def lost(self) -> dict[int, set[int]]:
        """Per user, the messages whose bytes are not what was stored."""
        lost: dict[int, set[int]] = {}
        for damage in self.damaged:
            for user_id, ids in damage.messages.items():
                lost.setdefault(user_id, set()).update(ids)
        return lost


class FileCheck:
    """Verifies files of one archive."""

    def __init__(self, blobs: LocalBlobs, recorded: Mapping[str, FileDigest], on_bytes: OnBytes) -> None:
        """recorded: the digests of the files that have one."""
        self._blobs, self._recorded, self._on_bytes = blobs, recorded, on_bytes

    def segment(self, row: SegmentRow, indexed: Callable[[], pa.Table]) -> Checked:
        """Verify a segment's files.

        Args:
            indexed: RAW_INDEX of the segment by the message index, for when its own files do not tell.
        """
        checked, sizes = Checked(), row.files()
        raw, parquet = row.name + RAW_SUFFIX, row.name + PARQUET_SUFFIX
        keys = self._parquet(checked, row.name, sizes.pop(parquet))
        places = self._raw(checked, raw, sizes.pop(raw), keys, indexed)
        for name, size_bytes in sizes.items():
            structure = self._analysis if name == row.analysis else self._split
            self._file(checked, name, size_bytes, partial(structure, name, checked))
        checked.keys = places
        if places.num_rows != row.messages:
            reason = f"it has {places.num_rows:,} messages, and the catalogue says {row.messages:,}"
            checked.damaged.append(Damage(parquet, reason))
        return checked

    def rollup(self, name: str, size_bytes: int | None = None) -> Checked:
        """Verify a roll-up. `name`: whole."""
        checked = Checked()
        self._file(checked, name, size_bytes, lambda: _rollup(self._blobs, name))
        return checked

    def _raw(
        self, checked: Checked, name: str, size_bytes: int, keys: pa.Table | None, indexed: Callable[[], pa.Table]
    ) -> pa.Table:
        index, wrong = None, Damage(name, "")
        try:
            with _naming(name):
                index, _ = read_ending(name, self._blobs.size(name), partial(self._blobs.read, name))
        except FileMissing as exc:
            wrong.reason = exc.reason
        except FileDamaged as exc:
            wrong.reason = exc.reason
        if index is not None and keys is not None and not index.equals(keys):
            wrong.reason = "its index lists other messages than the Parquet file"
        checked.keys = keys if keys is not None else index
        places = checked.keys if checked.keys is not None else indexed()
        checked.files += 1
        try:
            with _naming(name):
                digest, wrong.messages = read_raw(self._blobs, name, places, self._on_bytes)
        except FileDamaged as exc:
            wrong.reason = wrong.reason or exc.reason
            wrong.messages = ids_of(places)
        else:
            checked.stored_bytes += digest.size_bytes
            wrong.reason = self._difference(digest, size_bytes) or wrong.reason
            if wrong.messages and not wrong.reason:
                wrong.reason = "messages in it have another SHA-256"
            self._note(checked, digest, wrong.reason)
        checked.mail_bytes += sum(places["size_bytes"].to_pylist())
        if wrong.reason:
            checked.damaged.append(wrong)
        return places

    def _parquet(self, checked: Checked, segment: str, size_bytes: int) -> pa.Table | None:
        name = segment + PARQUET_SUFFIX
        found: list[pa.Table] = []

        def structure() -> None:
            with open_parquet(self._blobs, segment) as parquet:
                if name not in self._recorded:
                    for _ in parquet.iter_batches(use_threads=False):  # checks the sum of every page
                        pass
                found.append(parquet.read(columns=RAW_INDEX.names, use_threads=False).select(RAW_INDEX.names))

        self._file(checked, name, size_bytes, structure, always=True)
        return found[0].cast(RAW_INDEX) if found else None

    def _split(self, name: str, _: Checked) -> None:
        container.check(name, self._blobs.size(name), partial(self._blobs.read, name))

    def _analysis(self, name: str, checked: Checked) -> None:
        if checked.keys is not None:
            analysis_file.manifest_of(self._blobs, name, checked.keys)

    def _file(
        self,
        checked: Checked,
        name: str,
        size_bytes: int | None,
        structure: Callable[[], object],
        always: bool = False,
    ) -> None:
        """Verify one file.

        Args:
            structure: checks what the format tells; raises FileDamaged.
            always: whether to look at the structure of a file with a recorded digest, too.
        """
        checked.files += 1
        reason = ""
        try:
            with _naming(name):
                digest = digest_of(self._blobs, name, self._on_bytes)
                checked.stored_bytes += digest.size_bytes
                reason = self._difference(digest, size_bytes)
                if always or name not in self._recorded:
                    structure()
            self._note(checked, digest, reason)
        except FileDamaged as exc:
            reason = reason or exc.reason
        if reason:
            checked.damaged.append(Damage(name, reason))

    def _difference(self, digest: FileDigest, size_bytes: int | None) -> str:
        recorded = self._recorded.get(digest.name)
        if recorded is not None and recorded.sha256 != digest.sha256:
            return CHANGED
        if size_bytes is not None and size_bytes != digest.size_bytes:
            return f"it has {digest.size_bytes:,} bytes, and the catalogue says {size_bytes:,}"
        return ""

    def _note(self, checked: Checked, digest: FileDigest, reason: str) -> None:
        if not reason and digest.name not in self._recorded:
            checked.fresh.append(digest)


def ids_of(keys: pa.Table) -> dict[int, list[int]]:
    """Per user, the ids of messages."""
    found: dict[int, list[int]] = {}
    for user_id, message_id in zip(keys["user_id"].to_pylist(), keys["message_id"].to_pylist(), strict=True):
        found.setdefault(user_id, []).append(message_id)
    return found


def _rollup(blobs: LocalBlobs, name: str) -> None:
    require_sound(name, Path(blobs.location(name)))


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Translate any error of reading a damaged file into FileDamaged of this name."""
    try:
        yield
    except FileDamaged:
        raise
    except OSError as exc:
        # pyarrow reports damage as OSError without errno; other OSErrors are not damage, except EIO (a bad sector).
        if exc.errno not in (None, errno.EIO):
            raise
        raise FileDamaged(name, "it is not the file that was written") from exc
    except (pa.ArrowException, UnicodeDecodeError, ValueError, OverflowError, KeyError) as exc:
        raise FileDamaged(name, "it is not the file that was written") from exc
