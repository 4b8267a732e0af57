"""Attachment totals of a user's whole mailbox, cached per Parquet file. A file never changes.

Every process has its own cache, so after a commit only the new files are read. Safe from any thread; blocking.
"""

import threading
from dataclasses import dataclass

from cachetools import LRUCache

from storage.mailbox.segment_files import MailFiles

#: Files whose totals are cached: about 300 bytes each.
_MOST = 50_000


@dataclass(frozen=True, slots=True)
class Attached:
    """Messages with attachments, attachments, and their decoded bytes."""

    messages: int = 0
    files: int = 0
    size_bytes: int = 0


class FileTotals:
    """Least recently used cache of files' totals."""

    def __init__(self, most: int = _MOST) -> None:
        self._kept: LRUCache[tuple[int, str], Attached] = LRUCache(most)
        self._lock = threading.Lock()

    def of(self, user_id: int, files: MailFiles, names: list[str]) -> Attached:
        """The total over a user's files.

        Raises:
            FileDamaged.
        """
        with self._lock:
            known = {name: self._kept[user_id, name] for name in names if (user_id, name) in self._kept}
        unknown = [name for name in names if name not in known]
        if unknown:
            places = files.places(unknown)
            counted = {
                places[row.pop("file")]: Attached(**row) for row in files.rows("attachments_of_files", unknown, {})
            }
            known |= {name: counted.get(name, Attached()) for name in unknown}
        with self._lock:
            for name, total in known.items():
                self._kept[user_id, name] = total
        totals = known.values()
        return Attached(
            sum(total.messages for total in totals),
            sum(total.files for total in totals),
            sum(total.size_bytes for total in totals),
        )


#: This process's cache.
SHARED = FileTotals()
