"""Which part of the history is read again at each poll, and which of its records are new. Pure.

Gmail's history may return the mailbox's present history id before all records up to it. So a poll begins at
an id that was reached some time ago, not at the cursor. A page of history costs 2 units and holds 500 records: a
mailbox with fewer changes in the overlap pays nothing more.
"""

from collections import deque
from collections.abc import Sequence

from storage.model.records import LabelChange

#: Maximum number of records remembered as applied; records beyond it are applied again, without effect.
_REMEMBERED = 50_000


class Overlap:
    """The recent past of one mailbox's history."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._marks: deque[tuple[float, int]] = deque()  # (time, history id reached), oldest first
        self._applied: set[LabelChange] = set()
        self._late: set[int] = set()  # messages with a late record in the current round
        #: The newest history id that an answer claimed to reach since all records are remembered.
        self._claimed: int | None = None

    def reset(self, history_id: int | None) -> None:
        """Begin at this history id; None: there is none."""
        self._marks.clear()
        self._forget()
        if history_id is not None:
            self._marks.append((float("-inf"), history_id))

    def start(self, cursor: int, now: float) -> int:
        """The start of a poll: the newest id reached at least `span_s` ago, else the oldest known id."""
        self._late.clear()
        while len(self._marks) > 1 and self._marks[1][0] <= now - self._span_s:
            self._marks.popleft()
        start = min(self._marks[0][1], cursor) if self._marks else cursor
        if len(self._applied) > _REMEMBERED:
            self._forget()
        self._applied = {change for change in self._applied if change.history_id > start}
        return start

    def dropped(self) -> None:
        """Read uncommitted records again."""
        self._forget()

    @property
    def begin(self) -> int | None:
        """The latest possible start of the next poll."""
        return self._marks[0][1] if self._marks else None

    def reached(self, history_id: int, now: float) -> None:
        """Record that the history was read up to this id."""
        if not self._marks or history_id > self._marks[-1][1]:
            self._marks.append((now, history_id))
        self._claimed = max(self._claimed or 0, history_id)

    def is_late(self, history_id: int) -> bool:
        """Whether a new record should have been in an earlier answer, which claimed to reach beyond it."""
        return self._claimed is not None and history_id <= self._claimed

    def fresh(self, changes: Sequence[LabelChange]) -> tuple[LabelChange, ...]:
        """The records to apply: new ones, and all records of a message with a late record, in their order.

        The fold drops records older than a label's last event, so a late record is applied together with those after
        it that were applied before.
        """
        new = [change for change in changes if change not in self._applied]
        self._late.update(change.message_id for change in new)
        self._applied.update(new)
        return tuple(change for change in changes if change.message_id in self._late)

    def late(self, changes: Sequence[LabelChange]) -> int:
        """How many of these records are new and late. To be asked before `fresh`."""
        if self._claimed is None:
            return 0
        return sum(self.is_late(change.history_id) and change not in self._applied for change in changes)

    def _forget(self) -> None:
        self._applied.clear()
        self._claimed = None
