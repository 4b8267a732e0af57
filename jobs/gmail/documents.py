"""Reading Gmail's JSON into records, strictly: what does not fit is `AnswerUnreadable`, never a guess.

No I/O. A message's bytes are decoded with validation, because a lenient decoder drops what it does not
know and would hand back other bytes than Gmail sent.
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

R = TypeVar("R")

_INT64 = range(-(1 << 63), 1 << 63)
_LATEST_MS = 100_000_000_000_000  # the year 5138


def read(body: bytes | bytearray | memoryview, reader: Callable[[dict[str, Any]], R]) -> R:
    """The record that `reader` makes of a JSON object.

    Raises:
        AnswerUnreadable: no JSON object, a missing field, or a value of another shape.
    """
    try:
        document = _loads(body)
        if not isinstance(document, dict):
            raise AnswerUnreadable(f"a JSON object was expected, not {str(document)[:40]!r}")
        return reader(document)
    except orjson.JSONDecodeError as exc:
        raise AnswerUnreadable(f"no JSON: {exc}") from exc
    except KeyError as exc:
        raise AnswerUnreadable(f"the field {exc} is missing") from exc
    except (TypeError, ValueError, AttributeError) as exc:
        raise AnswerUnreadable(str(exc)[:200]) from exc


def _loads(body: bytes | bytearray | memoryview) -> Any:
    """A JSON value. Half a surrogate pair (a snippet cut inside an emoji) becomes "?": it must not cost the message."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        copy = bytes(body)
        if b"\\ud" not in copy.lower():
            raise
        try:
            repaired = json.dumps(json.loads(copy), ensure_ascii=False).encode("utf-8", "replace")
        except RecursionError:
            raise exc from None
        return orjson.loads(repaired)


def profile(document: dict[str, Any]) -> Profile:
    return Profile(
        email=_text(document["emailAddress"]),
        history_id=_number(document["historyId"]),
        messages_total=_number(document.get("messagesTotal", 0)),
        threads_total=_number(document.get("threadsTotal", 0)),
    )


def labels(document: dict[str, Any]) -> list[Label]:
    return [
        Label(_text(item["id"]), _text(item["name"]), _text(item.get("type", "user")))
        for item in document.get("labels", [])
    ]


def message_page(document: dict[str, Any]) -> MessagePage:
    return MessagePage(
        ids=[from_hex(item["id"]) for item in document.get("messages", [])],
        next_page_token=_text(document.get("nextPageToken", "")) or None,
        estimate=_number(document.get("resultSizeEstimate", 0)),
    )


def history_page(document: dict[str, Any]) -> HistoryPage:
    return HistoryPage(
        changes=[change for record in document.get("history", []) for change in _changes(record)],
        next_page_token=_text(document.get("nextPageToken", "")) or None,
        history_id=_number(document["historyId"]),
    )


def watching(document: dict[str, Any]) -> Watching:
    expires_ms = _number(document["expiration"])
    if not 0 < expires_ms < _LATEST_MS:
        raise AnswerUnreadable(f"{expires_ms} is not a moment")
    return Watching(_number(document["historyId"]), datetime.fromtimestamp(expires_ms / 1000, UTC))


def raw_message(document: dict[str, Any]) -> RawMessage:
    return RawMessage(
        id=from_hex(document["id"]),
        thread_id=from_hex(document["threadId"]),
        history_id=_number(document["historyId"]),
        internal_date_ms=_number(document["internalDate"]),
        labels=tuple(map(_text, document.get("labelIds", ()))),
        snippet=_text(document.get("snippet", "")),
        size_estimate=_number(document.get("sizeEstimate", 0)),
        raw=_decoded(document["raw"]),
    )


def _changes(record: dict[str, Any]) -> Iterator[Change]:
    """One history record in the order that makes sense of it: a message comes, changes, goes."""
    history_id = _number(record["id"])
    for added in record.get("messagesAdded", []):
        message = added["message"]
        message_labels = tuple(map(_text, message.get("labelIds", ())))
        yield MessageAdded(from_hex(message["id"]), from_hex(message["threadId"]), message_labels, history_id)
    for name, on in (("labelsAdded", True), ("labelsRemoved", False)):
        for changed in record.get(name, []):
            message_id = from_hex(changed["message"]["id"])
            for label_id in changed["labelIds"]:
                yield LabelChanged(message_id, _text(label_id), on, history_id)
    for deleted in record.get("messagesDeleted", []):
        yield MessageDeleted(from_hex(deleted["message"]["id"]), history_id)


def _decoded(raw: Any) -> bytes:
    """The bytes behind base64url, which Gmail may send without its padding."""
    text = _text(raw)
    return pybase64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)


def _number(value: Any) -> int:
    """A 64-bit number; Gmail writes most of them as text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise AnswerUnreadable(f"a number was expected, not {str(value)[:40]!r}")
    number = int(value)
    if number not in _INT64:
        raise AnswerUnreadable(f"{str(value)[:40]} does not fit 64 bits")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise AnswerUnreadable(f"text was expected, not {str(value)[:40]!r}")
    return value
