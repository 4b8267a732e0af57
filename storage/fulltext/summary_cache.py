"""Reads messages' summaries from the splits of the archive, with a cache of bounded size.

Cached are, by the unique name of a split, which never changes: its head, a user's ids, and decompressed blocks. A row
is looked up in the ids of one user, so no user gets another's row. Thread-safe; blocking.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from storage.files.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.files.bounded_cache import BoundedCache
from storage.fulltext import container
from storage.fulltext.summaries import Ids, Places, Summaries

_LOG = logging.getLogger(__name__)
#: Limit of the cache. Heads and ids of the mailboxes in use are 12 bytes per message; a block is 15 KB.
_KEPT_BYTES = 32 << 20
#: What an entry costs beside its content.
_OVERHEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Summaries | tuple[Ids, Places] | bytes | None
    size_bytes: int


class SummaryCache:
    """The summaries of an archive's splits."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept: BoundedCache[tuple[object, ...], _Kept] = BoundedCache(kept_bytes, lambda kept: kept.size_bytes)

    def rows(
        self, blobs: LocalBlobs, split: str, user_id: int, message_ids: Sequence[int]
    ) -> dict[int, dict[str, Any]]:
        """The list columns of a user's messages in a split, by id, with `message_id`.

        Messages that the split does not summarise are missing: all of them, if it has no summaries, is damaged (which
        is logged) or does not exist.
        """
        try:
            summaries = self._summaries(blobs, split)
            return {} if summaries is None else self._rows(blobs, split, summaries, user_id, message_ids)
        except FileMissing:
            return {}
        except FileDamaged as exc:
            _LOG.warning("The summaries in %s are not used by lists: %s", split, exc)
            self._keep((blobs.location(split),), None, 0)  # reported once, while it is cached
            return {}

    def _rows(
        self, blobs: LocalBlobs, split: str, summaries: Summaries, user_id: int, message_ids: Sequence[int]
    ) -> dict[int, dict[str, Any]]:
        part = summaries.part_of(user_id)
        if part is None:
            return {}
        ids, places = self._ids(blobs, split, summaries, user_id, part)
        wanted = np.array(message_ids, "<i8")
        at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        found = ids[at] == wanted
        rows: dict[int, dict[str, Any]] = {}
        for message_id, row in zip(wanted[found].tolist(), places[at[found]].tolist(), strict=True):
            block = self._block(blobs, split, summaries, row)
            rows[message_id] = {"message_id": message_id, **summaries.record(block, row)}
        return rows

    def _summaries(self, blobs: LocalBlobs, split: str) -> Summaries | None:
        key = (blobs.location(split),)
        kept = self._kept.get(key)
        if kept is None:
            summaries = container.read_summaries(split, blobs.size(split), partial(blobs.read, split))
            kept = self._keep(key, summaries, summaries.size_bytes if summaries else 0)
        assert kept.value is None or isinstance(kept.value, Summaries)
        return kept.value

    def _ids(
        self, blobs: LocalBlobs, split: str, summaries: Summaries, user_id: int, part: tuple[int, int]
    ) -> tuple[Ids, Places]:
        key = (blobs.location(split), "user", user_id)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._keep(key, summaries.ids(user_id, blobs.read(split, *part)), part[1])
        assert isinstance(kept.value, tuple)
        return kept.value

    def _block(self, blobs: LocalBlobs, split: str, summaries: Summaries, row: int) -> bytes:
        number, offset, size = summaries.block_of(row)
        key = (blobs.location(split), "block", number)
        kept = self._kept.get(key)
        if kept is None:
            block = summaries.open_block(blobs.read(split, offset, size))
            kept = self._keep(key, block, len(block))
        assert isinstance(kept.value, bytes)
        return kept.value

    def _keep(
        self, key: tuple[object, ...], value: Summaries | tuple[Ids, Places] | bytes | None, size_bytes: int
    ) -> _Kept:
        kept = _Kept(value, size_bytes + _OVERHEAD_BYTES)
        self._kept.keep(key, kept)
        return kept


@cache
def shared() -> SummaryCache:
    """This process's cache."""
    return SummaryCache()
