"""Calls that report changes: history.list, watch, stop. pushes.py delivers what a watch asks for."""

from itertools import islice
from typing import Any, get_args

from cluster.simulator.answers import invalid, not_found
from cluster.simulator.call import Call, whole
from cluster.simulator.mailbox import Change, HistoryType

Document = dict[str, Any]

_WATCH_S = 7 * 24 * 3600
_FIELD: dict[HistoryType, str] = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}


def list_history(call: Call) -> Document:
    start = call.number("startHistoryId")
    types = _types(call)
    label = call.text("labelId")
    page_size = call.page_size(100)
    after, page_number = _position(call, start)
    changes = call.mailbox.history(after)
    if changes is None or call.mailbox.history(start) is None:
        raise not_found()
    if call.lag_from is not None:
        changes = (c for c in changes if c.history_id <= (call.lag_from or 0))
    wanted = (c for c in changes if c.type in types and (not label or _concerns(c, label)))

    if call.empty_history_pages and page_number % 2 == 0:
        page: list[Change] = []
        token: str | None = f"{after}.{page_number + 1}" if next(wanted, None) else None
    else:
        page = list(islice(wanted, page_size))
        token = f"{page[-1].history_id}.{page_number + 1}" if next(wanted, None) else None
    document: Document = {}
    if page:
        document["history"] = [_record(change) for change in page]
    if token:
        document["nextPageToken"] = token
    return document | {"historyId": str(call.mailbox.history_id)}


def watch(call: Call) -> Document:
    if not call.json().get("topicName"):
        raise invalid("Invalid topicName does not match projects/*/topics/*")
    mailbox = call.mailbox
    if mailbox.watched_until <= call.now:
        mailbox.watched_from = mailbox.history_id
    mailbox.watched_until = call.now + _WATCH_S
    return {"historyId": str(mailbox.history_id), "expiration": str(int(mailbox.watched_until * 1000))}


def stop(call: Call) -> None:
    call.mailbox.watched_until = 0.0


def _types(call: Call) -> frozenset[str]:
    known = frozenset(get_args(HistoryType))
    requested = frozenset(call.names("historyTypes"))
    if not requested <= known:
        raise invalid(f"Invalid value at 'history_types': {', '.join(sorted(requested - known))}")
    return requested or known


def _position(call: Call, start: int) -> tuple[int, int]:
    token = call.text("pageToken")
    if not token:
        return start, 0
    after, number = (whole(text) for text in token.partition(".")[::2])
    if after is None or number is None:
        raise invalid("Invalid pageToken")
    return after, number


def _concerns(change: Change, label: str) -> bool:
    return label in change.labels_after or label in change.labels_changed


def _record(change: Change) -> Document:
    message = {"id": change.message_id, "threadId": change.thread_id}
    entry: Document = {"message": message | {"labelIds": sorted(change.labels_after)}}
    if change.labels_changed:
        entry["labelIds"] = sorted(change.labels_changed)
    return {"id": str(change.history_id), "messages": [message], _FIELD[change.type]: [entry]}
