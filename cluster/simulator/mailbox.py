"""One user's mail as Gmail stores it: messages, labels, threads and the history of their changes.

Pure: no I/O, no clock, no randomness. The same mail in the same order gets the same ids, threads, dates and history
ids in every process. Raw bytes are stored once, unchanged; of derived data only the snippet is stored.
routes.py drives it.
"""

import re
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from cluster.simulator.headers import Headers, plain_subject, replied_subject, scan

HistoryType = Literal["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"]

SYSTEM_LABELS = (
    "INBOX",
    "SENT",
    "DRAFT",
    "SPAM",
    "TRASH",
    "UNREAD",
    "STARRED",
    "IMPORTANT",
    "CHAT",
    "CATEGORY_PERSONAL",
    "CATEGORY_SOCIAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_UPDATES",
    "CATEGORY_FORUMS",
)
_USER_LABELS = {
    "Label_1": "Receipts",
    "Label_2": "Travel",
    "Label_3": "Clients/Acme",
    "Label_4": "Projekte/Äpfel",
    "Label_5": "家族",
}
_SENT = re.compile(r"(?<![a-z])sent(?![a-z])")
_HIDDEN = frozenset(("SPAM", "TRASH"))
_FIRST_HISTORY_ID = 1_000
# Undated mail is spread over the year from here by its content: 2001-01-01T00:00:00Z.
_UNDATED_FROM_MS = 978_307_200_000
_YEAR_MS = 365 * 24 * 3600 * 1000


@dataclass(slots=True)
class Message:
    id: str  # 16 hex digits, the first of them 1, as Gmail's are
    thread_id: str
    raw: bytes
    internal_date_ms: int
    history_id: int
    labels: frozenset[str]
    snippet: str | None = None  # computed on first use
    classification: tuple[dict[str, Any], ...] = ()  # classificationLabelValues


@dataclass(frozen=True, slots=True)
class Change:
    """One record of the history."""

    history_id: int
    type: HistoryType
    message_id: str
    thread_id: str
    labels_after: frozenset[str]
    labels_changed: frozenset[str] = frozenset()


class SimulatedMailbox:
    """The mail of one address, newest first."""

    def __init__(self, email: str) -> None:
        self.email = email
        self.messages: dict[str, Message] = {}
        self.labels: dict[str, str] = dict(_USER_LABELS)
        self.label_looks: dict[str, dict[str, Any]] = {}  # visibility and colour, where they are not the usual ones
        self.threads: dict[str, list[str]] = {}
        self.label_counts: Counter[str] = Counter()
        self.history_id = self._forgotten = _FIRST_HISTORY_ID
        self.traces_imports = False  # as Gmail may: trace header fields are put before imported mail
        self.watched_until = 0.0  # seconds since 1970: until then, changes after `watched_from` are pushed
        self.watched_from = self.history_id
        self._history: list[Change] = []
        self._order: list[tuple[int, str]] = []  # (internal date, id), oldest first
        self._ids_ever: set[str] = set()
        self._thread_of: dict[bytes, str] = {}
        self._thread_about: dict[str, str] = {}
        self._sets: dict[frozenset[str], frozenset[str]] = {}

    # Filling

    def load(self, mail: Iterable[tuple[str, bytes]]) -> None:
        """Add mail without history records, as if it were older than the history."""
        for name, raw in mail:
            headers = scan(raw)
            self._put(raw, headers, _first_labels(self.email, name, raw, headers), headers.date_ms)
        self._order.sort()
        self._forgotten = self.history_id

    def add(
        self,
        raw: bytes,
        labels: Collection[str] = ("INBOX", "UNREAD"),
        date_ms: int | None = None,
        thread_id: str | None = None,
    ) -> Message:
        """Add an arriving message. Its date is `date_ms`, else the date in its header."""
        headers = scan(raw)
        message = self._put(raw, headers, frozenset(labels), date_ms or headers.date_ms, thread_id, sort=True)
        self._record("messageAdded", message)
        return message

    def _put(
        self,
        raw: bytes,
        headers: Headers,
        labels: frozenset[str],
        date_ms: int | None,
        thread_id: str | None = None,
        sort: bool = False,
    ) -> Message:
        message_id, number = self._new_id(raw)
        if thread_id not in self.threads:
            thread_id = self._thread(headers, message_id)
        self._join(headers, thread_id, message_id)
        self.history_id += 1
        if date_ms is None:
            date_ms = _UNDATED_FROM_MS + number % _YEAR_MS
        labels = self._sets.setdefault(labels, labels)
        message = Message(message_id, thread_id, raw, date_ms, self.history_id, labels)
        self.messages[message_id] = message
        self.label_counts.update(labels)
        if sort:
            insort(self._order, (date_ms, message_id))
        else:
            self._order.append((date_ms, message_id))
        return message

    def _new_id(self, raw: bytes) -> tuple[str, int]:
        """An id derived from owner and content; repeated content, or a collision, gets the next digest."""
        digest = sha256(self.email.encode() + b"\0" + raw).digest()
        while True:
            number = int.from_bytes(digest[:8], "big")
            # Sixty bits under a leading 1: it survives as a signed 64-bit integer and never loses a zero.
            message_id = f"1{number >> 4:015x}"
            if message_id not in self._ids_ever:
                self._ids_ever.add(message_id)
                return message_id, number
            digest = sha256(digest).digest()

    def _thread(self, headers: Headers, message_id: str) -> str:
        for known in (*headers.ancestors, headers.message_id):
            if known and known in self._thread_of:
                return self._thread_of[known]
        about = None if headers.ancestors else replied_subject(headers.subject)
        return self._thread_about.get(about, message_id) if about else message_id

    def _join(self, headers: Headers, thread_id: str, message_id: str) -> None:
        self.threads.setdefault(thread_id, []).append(message_id)
        for known in (*headers.ancestors, headers.message_id):
            if known:
                self._thread_of.setdefault(known, thread_id)
        self._thread_about[plain_subject(headers.subject)] = thread_id

    # Changing

    def modify(self, message_id: str, add: Collection[str] = (), remove: Collection[str] = ()) -> Message:
        """Add and remove labels; a change without effect leaves no record."""
        message = self.messages[message_id]
        added = frozenset(add) - message.labels
        self._relabel("labelAdded", message, message.labels | added, added)
        removed = message.labels & frozenset(remove)
        self._relabel("labelRemoved", message, message.labels - removed, removed)
        return message

    def _relabel(self, type_: HistoryType, message: Message, labels: frozenset[str], changed: frozenset[str]) -> None:
        if not changed:
            return
        message.labels = self._sets.setdefault(labels, labels)
        if type_ == "labelAdded":
            self.label_counts.update(changed)
        else:
            self.label_counts.subtract(changed)
        self.history_id += 1
        message.history_id = self.history_id
        self._record(type_, message, changed)

    def trash(self, message_id: str) -> Message:
        return self.modify(message_id, add=("TRASH",), remove=("INBOX",))

    def untrash(self, message_id: str) -> Message:
        return self.modify(message_id, remove=("TRASH",))

    def delete(self, message_id: str) -> None:
        message = self.messages.pop(message_id)
        del self._order[bisect_left(self._order, (message.internal_date_ms, message_id))]
        thread = self.threads[message.thread_id]
        thread.remove(message_id)
        if not thread:
            # The thread is kept, because later replies join it.
            del self.threads[message.thread_id]
        self.label_counts.subtract(message.labels)
        self.history_id += 1
        message.history_id = self.history_id
        self._record("messageDeleted", message)

    def create_label(self, name: str) -> str:
        number = 1 + max((int(label.partition("_")[2]) for label in self.labels), default=0)
        self.labels[f"Label_{number}"] = name
        return f"Label_{number}"

    def delete_label(self, label_id: str) -> None:
        for message in [m for m in self.messages.values() if label_id in m.labels]:
            self.modify(message.id, remove=(label_id,))
        del self.labels[label_id]
        self.label_looks.pop(label_id, None)

    def _record(self, type_: HistoryType, message: Message, changed: frozenset[str] = frozenset()) -> None:
        self._history.append(Change(message.history_id, type_, message.id, message.thread_id, message.labels, changed))

    # Reading

    def newest_first(self, after: tuple[int, str] | None = None) -> Iterator[Message]:
        """Messages, newest first; with a position, those after it.

        A position is (internal date, id) of the last message returned: mail that arrives later is before it,
        so no message is repeated or missed.
        """
        end = len(self._order) if after is None else bisect_left(self._order, after)
        for index in range(end - 1, -1, -1):
            yield self.messages[self._order[index][1]]

    def in_thread_of(self, rfc822_message_id: str) -> list[Message]:
        """Messages of the threads that may contain this Message-ID."""
        thread_id = self._thread_of.get(rfc822_message_id.strip("<> ").encode())
        return [self.messages[id_] for id_ in self.threads.get(thread_id or "", ())]

    def history(self, after: int) -> Iterator[Change] | None:
        """Changes since a history id, oldest first; None if the id has expired or was not issued yet."""
        if not self._forgotten <= after <= self.history_id:
            return None
        start = bisect_right(self._history, after, key=lambda change: change.history_id)
        return (self._history[index] for index in range(start, len(self._history)))

    def forget_history(self) -> None:
        """Expire every history id issued so far."""
        self.history_id += 1
        self._forgotten = self.history_id
        self._history.clear()

    def knows_label(self, label_id: str) -> bool:
        return label_id in SYSTEM_LABELS or label_id in self.labels


def is_hidden(message: Message) -> bool:
    """Whether Gmail lists the message only on request: Spam and Trash."""
    return not _HIDDEN.isdisjoint(message.labels)


def _first_labels(email: str, name: str, raw: bytes, headers: Headers) -> frozenset[str]:
    """Plausible labels, chosen by content and file name."""
    chance = sha256(b"labels\0" + email.encode() + raw[:4096]).digest()
    file_name = name.rsplit("/", 1)[-1].lower()
    labels = set()
    if chance[0] < 26:
        labels.add("UNREAD")
    if chance[1] < 8:
        labels.add("STARRED")
    if chance[2] < 24:
        labels.add(f"Label_{1 + chance[2] % len(_USER_LABELS)}")
    if "spam" in file_name:
        return frozenset(labels | {"SPAM"})
    if chance[3] < 5:
        return frozenset(labels | {"TRASH"})
    if _SENT.search(name.lower()):
        return frozenset(labels - {"UNREAD"} | {"SENT"})
    if chance[4] < 170:
        labels.add("INBOX")
    if chance[5] < 50:
        labels.add("IMPORTANT")
    if headers.is_list:
        labels.add("CATEGORY_PROMOTIONS" if chance[6] < 128 else "CATEGORY_FORUMS")
    else:
        labels.add(("CATEGORY_PERSONAL", "CATEGORY_UPDATES", "CATEGORY_SOCIAL")[chance[6] % 3])
    return frozenset(labels)
