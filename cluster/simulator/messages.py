"""Calls that read messages: list, get, attachments.get.

`get` in the raw format is what a backup calls a million times; what it costs is measured in server.py.
"""

from collections.abc import Iterable
from typing import Any

import orjson
import pybase64

from cluster.simulator.answers import invalid, not_found
from cluster.simulator.call import Call, whole
from cluster.simulator.mailbox import Message, is_hidden
from cluster.simulator.payload import attachment, base64url, metadata, payload
from cluster.simulator.query import Query, parse_query
from cluster.simulator.snippet import snippet

Document = dict[str, Any]


def list_messages(call: Call) -> Document:
    mailbox = call.mailbox
    query = parse_query(call.text("q"), mailbox) if call.text("q") else None
    labels = frozenset(call.names("labelIds"))
    for label in labels:
        if not mailbox.knows_label(label):
            raise invalid(f"Invalid label: {label}")
    hidden = call.flag("includeSpamTrash") or not labels.isdisjoint(("SPAM", "TRASH"))
    hidden = hidden or (query is not None and query.reveals_hidden)
    page_size = call.page_size(100)

    page: list[Message] = []
    more = False
    for message in _candidates(call, query):
        if not labels <= message.labels or not (hidden or not is_hidden(message)):
            continue
        if query is not None and not query.matches(message):
            continue
        if len(page) == page_size:
            more = True
            break
        page.append(message)
    document: Document = {}
    if page:
        document["messages"] = [{"id": m.id, "threadId": m.thread_id} for m in page]
    if more:
        document["nextPageToken"] = f"{page[-1].internal_date_ms}.{page[-1].id}"
    return document | {"resultSizeEstimate": _estimate(call, labels, query, len(page))}


def get(call: Call) -> Document:
    message = call.message()
    format_ = call.text("format", "full").lower()
    document = head(message)
    if format_ == "raw":
        # The fragment spares a copy and a scan: base64 needs no escaping.
        document["raw"] = orjson.Fragment(b'"' + pybase64.urlsafe_b64encode(message.raw) + b'"')
    elif format_ == "full":
        document["payload"] = payload(message.id, message.raw)
    elif format_ == "metadata":
        only = frozenset(name.lower() for name in call.names("metadataHeaders"))
        document["payload"] = metadata(message.raw, only)
    elif format_ != "minimal":
        raise invalid(f"Invalid value at 'format', \"{format_}\"")
    return document


def get_attachment(call: Call) -> Document:
    message = call.message()
    content = attachment(message.id, message.raw, call.ids[1])
    if content is None:
        raise not_found()
    return {"size": len(content), "data": base64url(content)}


def head(message: Message) -> Document:
    """What every format carries."""
    if message.snippet is None:
        message.snippet = snippet(message.raw)
    document: Document = {"id": message.id, "threadId": message.thread_id}
    if message.labels:
        document["labelIds"] = sorted(message.labels)
    if message.classification:
        document["classificationLabelValues"] = list(message.classification)
    return document | {
        "snippet": message.snippet,
        "sizeEstimate": len(message.raw),
        "historyId": str(message.history_id),
        "internalDate": str(message.internal_date_ms),
    }


def _candidates(call: Call, query: Query | None) -> Iterable[Message]:
    token = call.text("pageToken")
    after = None
    if token:
        date, _, message_id = token.partition(".")
        date_ms = whole(date)
        if date_ms is None or len(message_id) != 16:
            raise invalid("Invalid pageToken")
        after = (date_ms, message_id)
    if query is not None and query.rfc822_message_id is not None:
        matching = call.mailbox.in_thread_of(query.rfc822_message_id)
        ordered = sorted(matching, key=lambda m: (m.internal_date_ms, m.id), reverse=True)
        return [m for m in ordered if after is None or (m.internal_date_ms, m.id) < after]
    return call.mailbox.newest_first(after)


def _estimate(call: Call, labels: frozenset[str], query: Query | None, matching: int) -> int:
    """Gmail's number is a guess as well."""
    if query is not None:
        return matching
    counts = call.mailbox.label_counts
    return min((counts[label] for label in labels), default=len(call.mailbox.messages))
