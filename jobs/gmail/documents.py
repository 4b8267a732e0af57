"""Reading Gmail's JSON into records, strictly: what does not fit is `AnswerUnreadable`, never a guess.

No I/O. What must be there: of a profile every field, of a list of labels at least one label, of a page of messages
an id each or else the estimate of the total, of a page of history the mailbox's history id, of a message all but its
labels and snippet. `{}` and an error object are never an answer. One item that cannot be read is left out and reported
(`unreadable`); it does not cost the page.

A message's bytes are decoded with validation, because a lenient decoder drops what it does not know and would hand back
other bytes than Gmail sent. Text is mapped to what can be stored (`storage.model.storable`), here and nowhere else.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
import pybase64

from jobs.gmail.errors import AnswerUnreadable
from jobs.gmail.records import (
    Change,
    HistoryPage,
    Label,
    LabelChanged,
    MessageAdded,
    MessageDeleted,
    MessagePage,
    Profile,
    RawMessage,
    Watching,
    from_hex,
)
from storage.model.storable import EARLIEST_MS, LATEST_MS, storable, storable_id

R = TypeVar("R")

_INT64 = range(-(1 << 63), 1 << 63)
_LATEST_MS = 100_000_000_000_000  # the year 5138
#: Gmail's own ids have 30 at most; an entry of a B-tree holds 2,700 bytes.
_LABEL_ID_MAX_CHARS = 255
_LABEL_NAME_MAX_CHARS = 4096
_PAGE_TOKEN_MAX_CHARS = 4096
_CLASSIFICATION_MAX_CHARS = 16_384
_SHOWN_MAX_CHARS = 200


def read(body: bytes | bytearray | memoryview, reader: Callable[[dict[str, Any]], R]) -> R:
    """The record that `reader` makes of a JSON object.

    Raises:
        AnswerUnreadable: no JSON object, a missing field, or a value of another shape.
    """
    try:
        document = _loads(body)
        if not isinstance(document, dict):
            raise AnswerUnreadable(f"a JSON object was expected, not {str(document)[:40]!r}")
        if not document or "error" in document:
            raise AnswerUnreadable(f"an answer was expected, not {str(document)[:80]!r}")
        return reader(document)
    except orjson.JSONDecodeError as exc:
        raise AnswerUnreadable(f"no JSON: {exc}") from exc
    except KeyError as exc:
        raise AnswerUnreadable(f"the field {exc} is missing") from exc
    except (TypeError, ValueError, AttributeError, OverflowError, IndexError) as exc:
        raise AnswerUnreadable(str(exc)[:200]) from exc


def _loads(body: bytes | bytearray | memoryview) -> Any:
    """A JSON value. Half a surrogate pair (a snippet cut inside an emoji) costs no message: `_text` maps it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        copy = bytes(body)
        if b"\\ud" not in copy.lower():
            raise
        try:
            return json.loads(copy)
        except (RecursionError, ValueError):
            raise exc from None


def profile(document: dict[str, Any]) -> Profile:
    return Profile(
        email=_text(document["emailAddress"]),
        history_id=_history_id(document["historyId"]),
        messages_total=_count(document["messagesTotal"]),
        threads_total=_count(document["threadsTotal"]),
    )


def labels(document: dict[str, Any]) -> list[Label]:
    """The labels that can be read; a mailbox always has some. A name that cannot be read is left as it was."""
    found = []
    for item in _list(document["labels"]):
        try:
            label = _label(item)
        except (KeyError, TypeError, AttributeError, AnswerUnreadable):
            continue
        found.append(label)
    if not found:
        raise AnswerUnreadable("it names no label")
    return found


def label_total(document: dict[str, Any]) -> int:
    """Messages that carry a label, by labels.get."""
    label_id(document["id"])
    return _count(document["messagesTotal"])


def message_page(document: dict[str, Any]) -> MessagePage:
    items = _list(document.get("messages", []))
    estimate = _count(document["resultSizeEstimate"]) if not items else _count(document.get("resultSizeEstimate", 0))
    ids, threads, unreadable = [], [], []
    for item in items:
        try:
            ids.append(from_hex(item["id"]))
        except (KeyError, TypeError, AnswerUnreadable):
            unreadable.append(_shown(item))
        else:
            threads.append(_thread_id(item))
    return MessagePage(ids, _page_token(document), estimate, tuple(unreadable), tuple(threads))


def history_page(document: dict[str, Any]) -> HistoryPage:
    records = _list(document.get("history", []))
    changes: list[Change] = []
    unreadable = []
    for record in records:
        try:
            for change in _changes(record):
                changes.append(change)
        except (KeyError, TypeError, ValueError, AttributeError, AnswerUnreadable):
            unreadable.append(_shown(record))
    return HistoryPage(changes, _page_token(document), _history_id(document["historyId"]), tuple(unreadable))


def watching(document: dict[str, Any]) -> Watching:
    expires_ms = _number(document["expiration"])
    if not 0 < expires_ms < _LATEST_MS:
        raise AnswerUnreadable(f"{expires_ms} is not a moment")
    return Watching(_history_id(document["historyId"]), datetime.fromtimestamp(expires_ms / 1000, UTC))


def raw_message(document: dict[str, Any]) -> RawMessage:
    size_estimate = _count(document.get("sizeEstimate", 0))
    date_ms = _number(document["internalDate"])
    if "sizeEstimate" not in document and not document["raw"]:
        raise AnswerUnreadable("it has neither bytes nor an estimate of them")
    snippet = document.get("snippet", "")  # a preview: one that is no text costs no message
    return RawMessage(
        id=from_hex(document["id"]),
        thread_id=from_hex(document["threadId"]),
        history_id=_history_id(document["historyId"]),
        internal_date_ms=date_ms,
        labels=tuple(dict.fromkeys(map(label_id, _list(document.get("labelIds", []))))),
        snippet=storable(snippet) if isinstance(snippet, str) else "",
        size_estimate=size_estimate,
        raw=_decoded(document["raw"]),
        classification=_classification(document.get("classificationLabelValues")),
        defects=() if EARLIEST_MS <= date_ms <= LATEST_MS else (f"internal-date:{date_ms}",),
    )


def _classification(values: Any) -> str:
    """The classification labels of a message as JSON text, in one spelling; "" where there are none.

    Kept as they are, with fields that this release does not know; what is no list, or too much, costs no message.
    """
    if not isinstance(values, list) or not values:
        return ""
    text = orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()
    return storable(text) if len(text) <= _CLASSIFICATION_MAX_CHARS else ""


def label_id(value: Any) -> str:
    """A label's id as it is stored.

    Raises:
        AnswerUnreadable: no text, none at all, or more than an index can hold.
    """
    text = _text(value)
    if not 0 < len(text) <= _LABEL_ID_MAX_CHARS:
        raise AnswerUnreadable(f"a label id has {len(text)} characters")
    return storable_id(str(value))


def _label(item: dict[str, Any]) -> Label:
    name = item.get("name")
    color = item.get("color")
    shown = [item.get("messageListVisibility"), item.get("labelListVisibility")]
    colors = [color.get("textColor"), color.get("backgroundColor")] if isinstance(color, dict) else []
    return Label(
        label_id(item["id"]),
        _text(name) if isinstance(name, str) and name and len(name) <= _LABEL_NAME_MAX_CHARS else None,
        "system" if item.get("type") == "system" else "user",
        "/".join(_text(value) for value in shown if isinstance(value, str)),
        "/".join(_text(value) for value in colors if isinstance(value, str)),
    )


def _changes(record: dict[str, Any]) -> Iterator[Change]:
    """One history record in the order that makes sense of it: a message comes, changes, goes."""
    history_id = _history_id(record["id"])
    for added in _list(record.get("messagesAdded", [])):
        message = added["message"]
        message_labels = tuple(map(label_id, _list(message.get("labelIds", []))))
        yield MessageAdded(from_hex(message["id"]), from_hex(message["threadId"]), message_labels, history_id)
    for name, on in (("labelsAdded", True), ("labelsRemoved", False)):
        for changed in _list(record.get(name, [])):
            message_id = from_hex(changed["message"]["id"])
            for label in _list(changed["labelIds"]):
                yield LabelChanged(message_id, label_id(label), on, history_id)
    for deleted in _list(record.get("messagesDeleted", [])):
        yield MessageDeleted(from_hex(deleted["message"]["id"]), history_id)


def _thread_id(item: dict[str, Any]) -> int:
    """The thread that a listing names beside an id; 0: none that can be read, which costs the id nothing."""
    try:
        return from_hex(item["threadId"])
    except (KeyError, AnswerUnreadable):
        return 0


def _decoded(raw: Any) -> bytes:
    """The bytes behind base64url, which Gmail may send without its padding."""
    text = raw if isinstance(raw, str) else _text(raw)
    return pybase64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)


def _list(value: Any) -> list[Any]:
    """A list: text and objects can be iterated over as well, and would be taken for labels."""
    if not isinstance(value, list):
        raise AnswerUnreadable(f"a list was expected, not {str(value)[:40]!r}")
    return value


def _number(value: Any) -> int:
    """A 64-bit number; Gmail writes most of them as text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise AnswerUnreadable(f"a number was expected, not {str(value)[:40]!r}")
    number = int(value)
    if number not in _INT64:
        raise AnswerUnreadable(f"{str(value)[:40]} does not fit 64 bits")
    return number


def _count(value: Any) -> int:
    number = _number(value)
    if number < 0:
        raise AnswerUnreadable(f"{number} is not a number of things")
    return number


def _history_id(value: Any) -> int:
    number = _number(value)
    if number <= 0:
        raise AnswerUnreadable(f"{number} is not a history id")
    return number


def _page_token(document: dict[str, Any]) -> str | None:
    token = document.get("nextPageToken", "")
    if not isinstance(token, str) or len(token) > _PAGE_TOKEN_MAX_CHARS or not token.isprintable():
        raise AnswerUnreadable(f"{str(token)[:40]!r} is not a page token")
    return token or None


def _text(value: Any) -> str:
    """Text as it is stored."""
    if not isinstance(value, str):
        raise AnswerUnreadable(f"text was expected, not {str(value)[:40]!r}")
    return storable(value)


def _shown(item: Any) -> str:
    """What could not be read, short enough for a table and a log."""
    named = isinstance(item, dict) and "id" in item and item.keys() <= {"id", "threadId"}  # an item of a listing
    return storable(str(item["id"] if named else item))[:_SHOWN_MAX_CHARS]
