"""One listing of a mailbox: the ids, and whether a second source confirms that they are complete. Pure.

A listing counts as complete when one of these confirms it:

- `profile.messagesTotal`, read after the last page. The ids listed, with those that the history since the pin adds and
  without those that it deletes, are as many: pages that shift while mail is deleted show as one too few. Of a label,
  `labels.get` takes the profile's place.
- A second listing that names the same ids, but for those that the history since the first one adds or deletes. So a
  total that Gmail counts otherwise (messagesTotal may include chats, which messages.list leaves out) costs one more
  listing, and nothing else.

actors/mailbox.py collects the pages; a reconciliation lists all ids first, then the ids of one label after another.
"""

from array import array
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

#: Ids per distinct id above which a listing is taken to repeat itself, and an allowance for short listings.
_PER_MESSAGE, _MORE = 2, 2_000
#: Consecutive empty pages after which a listing is taken to be endless.
_EMPTY_PAGES = 100
_Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
#: Listings of one label before the label is left unchanged until the next reconciliation.
_LABEL_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """The ids that Gmail listed after a pin: all of them, and those of each label. 8 bytes an id.

    skipped: labels whose listings no source confirmed; their messages are unknown. partial: labels in whose listings an
    id could not be read; a message that they lack may be that one.
    """

    message_ids: "array[int]"
    labels: "Mapping[str, array[int]]"
    skipped: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()


class Listing:
    """The pages of one listing, in order of arrival."""

    def __init__(self) -> None:
        self.label_id: str | None = None  # the label whose ids are being listed; None: all ids
        self.since = 0  # the history id before the listing
        self._estimate = 0
        self._message_ids = array("q")
        self._unreadable = 0
        self._empty = 0  # consecutive empty pages
        self._labels: dict[str, array[int]] = {}
        self._skipped: set[str] = set()
        self._partial: set[str] = set()
        self._waiting: deque[str] = deque()
        self._before: _Ids | None = None  # the ids of the previous listing of the same label
        self._begun = 0  # the history id before the previous listing
        self._bound = _MORE  # number of ids at which distinct ids are counted next
        self._attempts = 0

    def begin(self, since: int, estimate: int, label_ids: Iterable[str]) -> None:
        """Start a listing of all ids, for the first time or again."""
        if self._before is None:
            self._begun = since
        self.since, self._estimate = since, estimate
        self._message_ids, self._unreadable, self._empty = array("q"), 0, 0
        self._bound = _PER_MESSAGE * estimate + _MORE
        self._waiting = deque(dict.fromkeys(label_ids))

    def add(self, message_ids: Collection[int], unreadable: int = 0) -> None:
        """Add a page of the current listing."""
        self._empty = 0 if message_ids or unreadable else self._empty + 1
        self._present.extend(message_ids)
        self._unreadable += unreadable

    def is_endless(self) -> bool:
        """Whether the listing repeats the same ids, or continues without ids.

        The profile's total alone proves nothing: it may be wrong.
        """
        if self._empty > _EMPTY_PAGES:
            return True
        if len(self._present) <= self._bound:
            return False
        different = len(np.unique(np.array(self._present, np.int64)))
        self._bound = _PER_MESSAGE * different + _MORE
        return len(self._present) > self._bound

    @property
    def confirmed_since(self) -> int:
        """The history id since which the second source must report changes."""
        return min(self.since, self._begun) if self._before is not None else self.since

    def agrees(self, total: int, added: Collection[int] = (), deleted: Collection[int] = ()) -> bool:
        """Whether a second source confirms the complete listing.

        Args:
            total: messages by the profile, or by the label; negative: unknown.
            added, deleted: by the history since `confirmed_since`.
        """
        if total < 0:  # the second source contradicts itself
            return False
        ids = self._distinct(added, deleted)
        if len(ids) + self._unreadable == total:
            return True
        before, self._before = self._before, ids
        if before is None:
            return False
        unexplained = np.setdiff1d(np.setxor1d(before, ids), np.array([*added, *deleted], np.int64))
        self._begun = self.since
        return not len(unexplained)

    def doubted(self) -> None:
        """Discard the conclusions: the listing began at a history id that does not exist."""
        self._before = None

    def count(self, added: Collection[int] = (), deleted: Collection[int] = ()) -> int:
        """Number of distinct ids."""
        return len(self._distinct(added, deleted)) + self._unreadable

    def next_label(self) -> bool:
        """Complete this listing and begin the next label's; False when no label is left."""
        if self.label_id is not None and self._unreadable:
            self._partial.add(self.label_id)
        self._before, self._attempts, self._unreadable, self._empty = None, 0, 0, 0
        self._bound = _PER_MESSAGE * self._estimate + _MORE
        if not self._waiting:
            return False
        self.label_id = self._waiting.popleft()
        self._labels[self.label_id] = array("q")
        return True

    def label_again(self) -> bool:
        """List the label again, because no source confirms its listing; False after the maximum number of times."""
        assert self.label_id is not None
        self._attempts += 1
        self._labels[self.label_id], self._unreadable, self._empty = array("q"), 0, 0
        if self._attempts < _LABEL_ATTEMPTS:
            return True
        del self._labels[self.label_id]
        self._skipped.add(self.label_id)
        return False

    def result(self) -> Listed:
        """The result, once every listing is complete."""
        return Listed(self._message_ids, self._labels, frozenset(self._skipped), frozenset(self._partial))

    @property
    def _present(self) -> "array[int]":
        return self._message_ids if self.label_id is None else self._labels[self.label_id]

    def _distinct(self, added: Collection[int], deleted: Collection[int]) -> _Ids:
        ids = np.union1d(np.array(self._present, np.int64), np.array(list(added), np.int64))
        return np.setdiff1d(ids, np.array(list(deleted), np.int64), assume_unique=True)
