"""What is attached to all mail of a user, file by file of the archive. A file never changes under its name.

So what was counted of one is kept, by every process for itself, and an answer after a commit reads what came with it.
Safe from any thread; blocking.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from storage.mailbox.segment_files import MailFiles

#: Files whose totals are kept: about 300 bytes each.
_MOST = 50_000


@dataclass(frozen=True, slots=True)
class Attached:
    """Messages with files, files, and their bytes, decoded."""

    messages: int = 0
    files: int = 0
    size_bytes: int = 0


class FileTotals:
    """Totals of files, those that were used last."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[int, str], Attached] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, user_id: int, files: MailFiles, names: list[str]) -> Attached:
        """The total over files of a user.

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
                self._kept.move_to_end((user_id, name))
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        totals = known.values()
        return Attached(
            sum(each.messages for each in totals),
            sum(each.files for each in totals),
            sum(each.size_bytes for each in totals),
        )


#: This process's.
SHARED = FileTotals()
