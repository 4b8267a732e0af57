"""One listing of a mailbox: the ids that Gmail names, and whether a second source agrees that these are all. Pure.

A listing counts as complete when one of these agrees with it:

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

#: Ids that a listing may name per different id before it is taken for one that goes round in circles, and some more.
_PER_MESSAGE, _MORE = 2, 2_000
#: Pages in a row that name nothing, after which it is taken for one that never ends.
_EMPTY_PAGES = 100
_Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
#: Times that a label is listed before it is left as it is until the next reconciliation.
_LABEL_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """What Gmail listed after a pin: every id, and the ids of each label. 8 bytes an id.

    skipped: labels whose listings nothing agreed with: nothing is known of them. partial: labels in whose listings an
    id could not be read: a message that they lack may be that one.
    """

    message_ids: "array[int]"
    labels: "Mapping[str, array[int]]"
    skipped: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()


class Listing:
    """The pages of one listing, as they arrive."""

    def __init__(self) -> None:
        self.label_id: str | None = None  # whose ids are being listed; None: everybody's
        self.since = 0  # the history id before the listing
        self._estimate = 0
        self._message_ids = array("q")
        self._unreadable = 0
        self._empty = 0  # pages in a row
        self._labels: dict[str, array[int]] = {}
        self._skipped: set[str] = set()
        self._partial: set[str] = set()
        self._waiting: deque[str] = deque()
        self._before: _Ids | None = None  # the ids that the last listing of the same named
        self._begun = 0  # the history id before that one
        self._bound = _MORE  # ids from which on it is asked whether they are different ones
        self._attempts = 0

    def begin(self, since: int, estimate: int, label_ids: Iterable[str]) -> None:
        """A listing of all ids begins, for the first time or again."""
        if self._before is None:
            self._begun = since
        self.since, self._estimate = since, estimate
        self._message_ids, self._unreadable, self._empty = array("q"), 0, 0
        self._bound = _PER_MESSAGE * estimate + _MORE
        self._waiting = deque(dict.fromkeys(label_ids))

    def add(self, message_ids: Collection[int], unreadable: int = 0) -> None:
        """A page of the listing under way."""
        self._empty = 0 if message_ids or unreadable else self._empty + 1
        self._present.extend(message_ids)
        self._unreadable += unreadable

    def is_endless(self) -> bool:
        """Whether it names the same ids again and again, or goes on and on and names none.

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
        """The history id from which on the second source should tell what changed."""
        return min(self.since, self._begun) if self._before is not None else self.since

    def agrees(self, total: int, added: Collection[int] = (), deleted: Collection[int] = ()) -> bool:
        """Whether a second source agrees with the listing, all of whose pages arrived.

        Args:
            total: messages by the profile, or by the label; negative: not to be known.
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
        """The listing began at a history id that there is not: nothing is concluded from it."""
        self._before = None

    def count(self, added: Collection[int] = (), deleted: Collection[int] = ()) -> int:
        """Different ids that were named."""
        return len(self._distinct(added, deleted)) + self._unreadable

    def next_label(self) -> bool:
        """The listing under way is complete; False when there is no other."""
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
        """Nothing agrees with the label's listing: list it again, or False when that was done often enough."""
        assert self.label_id is not None
        self._attempts += 1
        self._labels[self.label_id], self._unreadable, self._empty = array("q"), 0, 0
        if self._attempts < _LABEL_ATTEMPTS:
            return True
        del self._labels[self.label_id]
        self._skipped.add(self.label_id)
        return False

    def result(self) -> Listed:
        """Everything, once there is no other listing."""
        return Listed(self._message_ids, self._labels, frozenset(self._skipped), frozenset(self._partial))

    @property
    def _present(self) -> "array[int]":
        return self._message_ids if self.label_id is None else self._labels[self.label_id]

    def _distinct(self, added: Collection[int], deleted: Collection[int]) -> _Ids:
        ids = np.union1d(np.array(self._present, np.int64), np.array(list(added), np.int64))
        return np.setdiff1d(ids, np.array(list(deleted), np.int64), assume_unique=True)
