"""Calls about conversations: threads.list, threads.get."""

from typing import Any

from cluster.simulator.answers import invalid, not_found
from cluster.simulator.call import Call
from cluster.simulator.mailbox import Message, is_hidden
from cluster.simulator.messages import get, head

Document = dict[str, Any]


def list_threads(call: Call) -> Document:
    """Threads, ordered by their newest message, newest first; pages follow this order."""
    labels = frozenset(call.names("labelIds"))
    hidden = call.flag("includeSpamTrash") or not labels.isdisjoint(("SPAM", "TRASH"))
    newest: dict[str, Message] = {}
    for message in call.mailbox.newest_first():
        if labels <= message.labels and (hidden or not is_hidden(message)):
            newest.setdefault(message.thread_id, message)
    start, size = call.number("pageToken", 0), call.page_size(100)
    page = list(newest.values())[start : start + size]
    document: Document = {
        "threads": [{"id": m.thread_id, "snippet": head(m)["snippet"], "historyId": str(m.history_id)} for m in page],
        "resultSizeEstimate": len(newest),
    }
    if start + size < len(newest):
        document["nextPageToken"] = str(start + size)
    return document


def get_thread(call: Call) -> Document:
    mailbox = call.mailbox
    ids = mailbox.threads.get(call.ids[0])
    if ids is None:
        raise not_found()
    if call.text("format").lower() == "raw":
        raise invalid("Raw format is not supported for threads")
    ordered = sorted(ids, key=lambda id_: (mailbox.messages[id_].internal_date_ms, id_))
    return {
        "id": call.ids[0],
        "historyId": str(max(mailbox.messages[id_].history_id for id_ in ids)),
        "messages": [get(call._replace(ids=(id_,))) for id_ in ordered],
    }
