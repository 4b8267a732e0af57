"""The newest messages of a mailbox over all its splits, as if they were one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.blobs import FileDamaged
from storage.splits.asking import Asked, Hit, Split


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment, as far as one user has mail in it. words_bytes: of its split; None: it has none."""

    name: str
    words_bytes: int | None
    last_at: datetime


def newest(
    files: Sequence[SegmentFile],
    opened: Callable[[SegmentFile], Split | None],
    failed: Callable[[SegmentFile, FileDamaged], None],
    asked: Asked,
    limit: int,
) -> tuple[list[Hit], list[SegmentFile]]:
    """The next `limit` messages that the splits find, newest first, and the files that must be looked through.

    Args:
        files: newest first by `last_at`. A file whose mail is all older than what was found already is not opened.
        opened: the split of a file; None when it has none that can be had.
        failed: told of a split that turns out to be damaged.
    """
    found: list[Hit] = []
    unindexed: list[SegmentFile] = []
    for file in files:
        if file.words_bytes is None:
            unindexed.append(file)
        elif len(found) < limit or file.last_at >= found[-1].received_at:
            split = opened(file)
            try:
                hits = split.newest(asked, limit) if split else None
            except FileDamaged as exc:
                failed(file, exc)
                hits = None
            if hits is None:
                unindexed.append(file)
            else:
                found = sorted([*found, *hits], reverse=True)[:limit]
    return found, unindexed
