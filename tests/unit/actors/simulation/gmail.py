"""A model of Gmail: mailboxes with a history, read in pages. No faults of its own: world.py injects them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from actors.decisions import Changed
from storage.model.records import DELETED, LabelChange

LABELS = ("INBOX", "UNREAD", "STARRED", "TRASH")
_LIST_PAGE = 6
_HISTORY_PAGE = 3


def thread_of(message_id: int) -> int:
    """The thread that a message belongs to; three to a thread."""
    return message_id // 3


@dataclass(slots=True)
class Message:
    """One message. `added_at`: the history id of its arrival; `bytes_id` stands for its exact bytes."""

    bytes_id: int
    size_bytes: int
    labels: set[str]
    added_at: int
    history_id: int
    deleted: bool = False
    changes: list[LabelChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Copy:
    """What a fetch brings of a message: never to change again."""

    user_id: int
    message_id: int
    bytes_id: int
    size_bytes: int
    labels: frozenset[str]
    history_id: int
    thread_id: int


@dataclass(slots=True)
class GmailBox:
    """One user's mail at Gmail. Deleted messages are kept to compare with, and answered as gone."""

    user_id: int
    random: Random
    messages: dict[int, Message] = field(default_factory=dict)
    history: list[LabelChange | int] = field(default_factory=list)  # an int: that message arrived
    history_id: int = 100
    forgotten: int = 100
    revoked: bool = False
    expired: int = 0  # times that somebody was told that the history is forgotten
    relisted: bool = False  # somebody gave up following the history
    permanent: set[int] = field(default_factory=set)  # messages that can never be fetched
    flaky: set[int] = field(default_factory=set)  # messages that fail for a while

    def arrive(self) -> None:
        """A message arrives."""
        message_id = self.user_id * 1000 + len(self.messages) + 1
        self.history_id += 1
        labels = set(self.random.sample(LABELS, 2))
        self.messages[message_id] = Message(
            self.random.getrandbits(32), self.random.randint(50, 200), labels, self.history_id, self.history_id
        )
        self.history.append(message_id)

    def relabel(self, among: Sequence[int] = ()) -> None:
        """Some message gains or loses a label."""
        alive = self.alive()
        if alive := [message_id for message_id in among if message_id in alive] if among else alive:
            message_id = self.random.choice(alive)
            label = self.random.choice(LABELS)
            message = self.messages[message_id]
            on = label not in message.labels
            message.labels ^= {label}
            self._change(message_id, label, on)

    def delete(self) -> None:
        """Some message goes for good."""
        if alive := self.alive():
            message_id = self.random.choice(alive)
            self.messages[message_id].deleted = True
            self._change(message_id, DELETED, True)

    def expire(self) -> None:
        """Everything up to now is forgotten."""
        self.forgotten = self.history_id

    def alive(self) -> list[int]:
        """The ids of what is there, in order of arrival."""
        return [message_id for message_id, message in self.messages.items() if not message.deleted]

    def list_page(self, token: str | None, label: str | None) -> tuple[list[int], str | None]:
        """A page of ids (of a label's messages), newest first."""
        below = int(token) if token else 1 << 62
        ids = [message_id for message_id in reversed(self.alive()) if message_id < below]
        if label is not None:
            ids = [message_id for message_id in ids if label in self.messages[message_id].labels]
        page, rest = ids[:_LIST_PAGE], ids[_LIST_PAGE:]
        return page, str(page[-1]) if rest else None

    def history_page(self, start: int, token: str | None) -> tuple[list[int], Changed] | None:
        """A page of changes after `start`: the added ids, and the rest without `unknown`; None when forgotten."""
        if start < self.forgotten:
            self.expired += 1
            return None
        after = int(token) if token else start
        if self.random.random() < 0.2 and after < self.history_id:
            return [], Changed((), (), None, str(after))  # an empty page with a token
        first = bisect_right(self.history, after, key=self._id)
        records = [(self._id(record), record) for record in self.history[first : first + _HISTORY_PAGE + 1]]
        page, rest = records[:_HISTORY_PAGE], records[_HISTORY_PAGE:]
        upto = max((number for number, _ in page), default=None)
        added = [record for _, record in page if isinstance(record, int)]
        changes = tuple(record for _, record in page if isinstance(record, LabelChange))
        if rest:
            assert upto is not None
            return added, Changed((), changes, upto, str(upto))
        return added, Changed((), changes, self.history_id, None)

    def since(self, start: int, label: str | None) -> tuple[list[int], list[int]]:
        """What came and what went after a history id, to the mailbox or to a label."""
        came: dict[int, bool] = {}
        for record in self.history:
            if self._id(record) <= start:
                continue
            if isinstance(record, int):
                if label is None:  # the labels that it came with are not known any more
                    came[record] = True
            elif record.label_id == DELETED:
                came[record.message_id] = False
            elif record.label_id == label:
                came[record.message_id] = record.on
        return [key for key, there in came.items() if there], [key for key, there in came.items() if not there]

    def total(self, label: str | None) -> int:
        """How many messages there are (that carry a label)."""
        return sum(label is None or label in self.messages[message_id].labels for message_id in self.alive())

    def get(self, message_id: int) -> Copy | None:
        """A message as it is now; None when it is gone."""
        message = self.messages[message_id]
        if message.deleted:
            return None
        return Copy(
            self.user_id,
            message_id,
            message.bytes_id,
            message.size_bytes,
            frozenset(message.labels),
            message.history_id,
            thread_of(message_id),
        )

    def _change(self, message_id: int, label: str, on: bool) -> None:
        self.history_id += 1
        message, change = self.messages[message_id], LabelChange(self.user_id, message_id, label, on, self.history_id)
        message.history_id = self.history_id
        message.changes.append(change)
        self.history.append(change)

    def _id(self, record: LabelChange | int) -> int:
        return record.history_id if isinstance(record, LabelChange) else self.messages[record].added_at
