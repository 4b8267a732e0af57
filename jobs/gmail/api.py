"""Gmail's API surface: which requests exist and how they are spelled.

Google's client library and the discovery document inside it (read from the package: no network, no cache
on disk) build every request; `transport.py` sends them. No I/O here, no tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc

from jobs.gmail.config import require_safe

_BOUNDARY = "gbm-batch-of-gets"
_PLACEHOLDER = "PLACEHOLDER-ID"
_MESSAGE_FIELDS = "id,threadId,labelIds,historyId,internalDate,sizeEstimate,snippet,raw,classificationLabelValues"
_LABEL_FIELDS = "labels(id,name,type,messageListVisibility,labelListVisibility,color)"
_LIST_FIELDS = "messages(id,threadId),nextPageToken,resultSizeEstimate"
#: A label's listing tells which messages carry it, and nothing else of them.
_LABEL_LIST_FIELDS = "messages/id,nextPageToken,resultSizeEstimate"
_HISTORY_FIELDS = (
    "history(id,messagesAdded/message(id,threadId,labelIds),messagesDeleted/message/id,"
    "labelsAdded(message/id,labelIds),labelsRemoved(message/id,labelIds)),nextPageToken,historyId"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request; the transport adds the authorization.

    once: it must not reach the server twice, so it gets a connection of its own: libcurl sends a request again,
    whatever its method, when a kept connection closes before anything was received.
    """

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    once: bool = False


class GmailApi:
    """Builds the calls of one endpoint. Immutable after construction: threads may share it.

    Building one request through the library costs 0.08 ms of CPU (2.4 ms when the resource is not kept),
    as much as everything else a message costs; so the library builds the get once, with a placeholder
    for the id, and each id is put in its place (under 0.001 ms).
    """

    def __init__(self, endpoint: str) -> None:
        document = get_static_doc("gmail", "v1")
        assert document is not None, "the library ships Gmail's discovery document"
        # `http` is never called: it only keeps the library from looking for credentials.
        service = build_from_document(
            document, http=_NeverCalled(), client_options={"api_endpoint": require_safe(endpoint)}
        )
        self._users: Any = service.users()
        self._messages: Any = self._users.messages()
        self._labels: Any = self._users.labels()
        self._history: Any = self._users.history()
        get = self._messages.get(userId="me", id=_PLACEHOLDER, format="raw", fields=_MESSAGE_FIELDS)
        self._get_url = _around(get.uri)
        self._get_path = _around(urlsplit(get.uri).path + "?" + urlsplit(get.uri).query)
        parts = urlsplit(endpoint)
        self._batch_url = f"{parts.scheme}://{parts.netloc}/batch/gmail/v1"

    def profile(self) -> Call:
        return _call(self._users.getProfile(userId="me"))

    def labels(self) -> Call:
        return _call(self._labels.list(userId="me", fields=_LABEL_FIELDS))

    def label(self, label_id: str) -> Call:
        """One label, with its totals."""
        return _call(self._labels.get(userId="me", id=label_id, fields="id,messagesTotal"))

    def list_messages(
        self, page_token: str | None, label_ids: Sequence[str], include_spam_trash: bool, max_results: int
    ) -> Call:
        return _call(
            self._messages.list(
                userId="me",
                pageToken=page_token,
                labelIds=list(label_ids) or None,
                includeSpamTrash=include_spam_trash,
                maxResults=max_results,
                fields=_LABEL_LIST_FIELDS if label_ids else _LIST_FIELDS,
            )
        )

    def history(self, start_history_id: int, page_token: str | None) -> Call:
        return _call(
            self._history.list(
                userId="me",
                startHistoryId=str(start_history_id),
                pageToken=page_token,
                maxResults=500,
                fields=_HISTORY_FIELDS,
            )
        )

    def watch(self, topic: str) -> Call:
        """Pushes of every change, whatever its labels."""
        call = _call(self._users.watch(userId="me", body={"topicName": topic}))
        return replace(call, headers={"Content-Type": "application/json"})

    def get(self, hex_id: str) -> Call:
        """One message, raw."""
        before, after = self._get_url
        return Call("GET", before + quote(hex_id, safe="") + after)

    def get_batch(self, hex_ids: Iterable[str]) -> Call:
        """Several messages in one request; the answer's parts carry the ids (`batch.split`)."""
        before, after = self._get_path
        parts = [
            f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <{quote(hex_id, safe='')}>\r\n\r\n"
            f"GET {before}{quote(hex_id, safe='')}{after} HTTP/1.1\r\n\r\n\r\n"
            for hex_id in hex_ids
        ]
        body = "".join([*parts, f"--{_BOUNDARY}--\r\n"]).encode()
        return Call("POST", self._batch_url, {"Content-Type": f'multipart/mixed; boundary="{_BOUNDARY}"'}, body)


class _NeverCalled:
    """Stands where the library wants an HTTP client."""


def _call(request: Any) -> Call:
    body = request.body.encode() if isinstance(request.body, str) else request.body
    return Call(request.method, request.uri, {}, body)


def _around(text: str) -> tuple[str, str]:
    before, after = text.split(_PLACEHOLDER)
    return before, after
