"""Calls that write into a mailbox: import a message, create a label, change a message's labels; and the questions that
a restore has before it writes.

One call, no repetition, no waiting, as in `client.py`. `WriteUncertain` means that a call reached Gmail and that no
usable answer came back: the caller looks before the call is repeated. Every other error means that nothing was written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import orjson

from jobs.gmail import documents
from jobs.gmail.answers import classify
from jobs.gmail.api import Call, GmailApi
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import AnswerUnreadable, GmailError, GmailUnavailable
from jobs.gmail.records import Label, MessagePage, from_hex
from jobs.gmail.transport import Answer
from storage.model.message_id import to_hex
from storage.model.storable import original

#: Bytes of the largest message that Gmail imports. Source: Gmail's discovery document of 2026-10-05.
LARGEST_BYTES = 157_286_400
#: Messages up to so many bytes travel in one request; larger ones in parts. Google: "5 MB or less" in one request.
_ONE_REQUEST_BYTES = 5 * 1024 * 1024
#: Bytes of one part: a multiple of 256 KiB.
_PART_BYTES = 8 * 1024 * 1024
#: Times that an upload asks how much has arrived before it is given up.
_ASKS = 3
_T = TypeVar("_T")
_BOUNDARY = b"gbm-restored-message"


class WriteUncertain(GmailError):
    """A call that writes reached Gmail, and no usable answer came back. Look before repeating it."""

    kind = "uncertain"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"It is not known whether Gmail did it ({self.reason}): check the mailbox, then repeat the call."


class Sends(Protocol):
    """Sends one call. `jobs.gmail.transport.Transport` is one."""

    def send(self, call: Call, token: str) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Imported:
    """A message that Gmail took in."""

    message_id: int
    thread_id: int


class GmailWriter:
    """Gmail at one endpoint, for a restore. Threads may share one.

    Every method raises `TokenRejected`, `Throttled`, `GmailUnavailable`, `NotFound`, `GmailRefused` when nothing was
    written, and `AnswerUnreadable` where it only reads.
    """

    def __init__(
        self,
        config: GmailConfig,
        transport: Sends,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        one_request_bytes: int = _ONE_REQUEST_BYTES,
        part_bytes: int = _PART_BYTES,
    ) -> None:
        self._api, self._transport, self._now = GmailApi(config.endpoint), transport, now
        self._endpoint = config.endpoint.rstrip("/")
        self._one_request_bytes, self._part_bytes = one_request_bytes, part_bytes

    def import_message(
        self, token: str, raw: bytes, labels: Sequence[str], thread_id: int | None, upload_limit: int = LARGEST_BYTES
    ) -> Imported:
        """Import a message with these labels, dated by its Date header, into a thread of the mailbox or a new one.

        Raises:
            WriteUncertain: it may have been imported.
        """
        if len(raw) > upload_limit:
            raise ValueError(f"a message of {len(raw)} bytes cannot be imported")
        document: dict[str, Any] = {"labelIds": [original(label) for label in labels]}
        if thread_id is not None:
            document["threadId"] = to_hex(thread_id)
        if len(raw) <= self._one_request_bytes:
            return self._write(self._whole(document, raw), token, _imported)
        return self._in_parts(token, document, raw)

    def create_label(self, token: str, name: str, visibility: str, color: str) -> Label:
        """Create a label. `visibility`, `color`: as `jobs.gmail.records.Label` has them; "": Gmail's usual ones.

        Raises:
            GmailRefused: status 409: the name is taken; 400: the name or the colour is not allowed.
            WriteUncertain: it may have been created.
        """
        document: dict[str, Any] = {"name": name}
        shown, listed = [*visibility.split("/"), "", ""][:2]
        if shown:
            document["messageListVisibility"] = shown
        if listed:
            document["labelListVisibility"] = listed
        text, background = [*color.split("/"), "", ""][:2]
        if text and background:
            document["color"] = {"textColor": text, "backgroundColor": background}
        call = self._json("labels", document)
        return self._write(call, token, lambda body: documents.labels({"labels": [body]})[0])

    def modify(self, token: str, message_id: int, add: Sequence[str], remove: Sequence[str]) -> None:
        """Put labels on a message and take others off. Safe to repeat, so an uncertain answer is `GmailUnavailable`."""
        document = {"addLabelIds": [*map(original, add)], "removeLabelIds": [*map(original, remove)]}
        try:
            self._write(self._json(f"messages/{to_hex(message_id)}/modify", document), token, lambda body: body["id"])
        except WriteUncertain as exc:
            raise GmailUnavailable(exc.reason) from exc

    def labels(self, token: str) -> list[Label]:
        """All labels of the mailbox."""
        return self._read(self._api.labels(), token, documents.labels)

    def history_id(self, token: str) -> int:
        """The mailbox's newest history id."""
        return self._read(self._api.profile(), token, documents.profile).history_id

    def messages_total(self, token: str) -> int:
        """Number of the mailbox's messages, by its profile."""
        return self._read(self._api.profile(), token, documents.profile).messages_total

    def page(self, token: str, page_token: str | None, label_ids: Sequence[str] = ()) -> MessagePage:
        """A page of the ids of all messages, or of those that carry all the labels; Spam and Trash too."""
        labels = [original(label) for label in label_ids]
        return self._read(self._api.list_messages(page_token, labels, True, 500), token, documents.message_page)

    def with_message_id(self, token: str, rfc822_message_id: str) -> list[int]:
        """Ids of the messages with a Message-ID header, at most 500."""
        query = urlencode({"q": f"rfc822msgid:{rfc822_message_id}", "includeSpamTrash": "true", "maxResults": "500"})
        call = Call("GET", f"{self._endpoint}/gmail/v1/users/me/messages?{query}")
        return self._read(call, token, documents.message_page).ids

    def added_since(self, token: str, history_id: int, page_token: str | None) -> tuple[list[int], str | None]:
        """A page of the ids of messages that were added after a history id.

        Raises:
            NotFound: Gmail forgot that far back.
        """
        page = self._read(self._api.history(history_id, page_token), token, documents.history_page)
        added = [change.message_id for change in page.changes if hasattr(change, "thread_id")]
        return added, page.next_page_token

    def raw(self, token: str, message_id: int) -> tuple[bytes, int]:
        """A message's bytes, and its thread.

        Raises:
            NotFound: it is gone.
        """
        message = self._read(self._api.get(to_hex(message_id)), token, documents.raw_message)
        return message.raw, message.thread_id

    def digest(self, token: str, message_id: int) -> tuple[bytes, int]:
        """SHA-256 of a message's bytes, and its thread.

        Raises:
            NotFound: it is gone.
        """
        raw, thread_id = self.raw(token, message_id)
        return sha256(raw).digest(), thread_id

    # ---- how calls are made

    def _json(self, path: str, document: Mapping[str, Any]) -> Call:
        headers = {"Content-Type": "application/json"}
        return Call("POST", f"{self._endpoint}/gmail/v1/users/me/{path}", headers, orjson.dumps(document))

    def _upload_url(self, kind: str) -> str:
        # processForCalendar stays off: a restore must not write into a calendar.
        query = urlencode({"uploadType": kind, "internalDateSource": "dateHeader", "neverMarkSpam": "true"})
        return f"{self._endpoint}/upload/gmail/v1/users/me/messages/import?{query}"

    def _whole(self, document: Mapping[str, Any], raw: bytes) -> Call:
        boundary = _BOUNDARY
        while boundary in raw:
            boundary += b"-" + sha256(boundary + raw[:4096]).hexdigest()[:16].encode()
        body = b"".join(
            (
                b"--" + boundary + b"\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n",
                orjson.dumps(document),
                b"\r\n--" + boundary + b"\r\nContent-Type: message/rfc822\r\n\r\n",
                raw,
                b"\r\n--" + boundary + b"--\r\n",
            )
        )
        kind = f'multipart/related; boundary="{boundary.decode()}"'
        return Call("POST", self._upload_url("multipart"), {"Content-Type": kind}, body, once=True)

    def _in_parts(self, token: str, document: Mapping[str, Any], raw: bytes) -> Imported:
        """A resumable upload. Until the last part has been sent, nothing is imported."""
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "X-Upload-Content-Type": "message/rfc822",
            "X-Upload-Content-Length": str(len(raw)),
        }
        begin = Call("POST", self._upload_url("resumable"), headers, orjson.dumps(document))
        target = self._same_server(self._answer(begin, token).headers.get("location", ""))
        at = asked = furthest = 0
        while True:
            part = raw[at : at + self._part_bytes]
            span = f"bytes {at}-{at + len(part) - 1}/{len(raw)}"
            answer = self._transport.send(Call("PUT", target, {"Content-Range": span}, part), token)
            last = at + len(part) == len(raw)
            while answer.fault is not None or answer.status not in (200, 201, 308):
                asked += 1
                if asked > _ASKS:
                    fault = answer.fault or classify(answer.status, answer.body, answer.headers, self._now())
                    raise WriteUncertain(str(fault)) if last else GmailUnavailable(str(fault))
                question = Call("PUT", target, {"Content-Range": f"bytes */{len(raw)}"}, b"")
                answer = self._transport.send(question, token)
            if answer.status != 308:
                return _certain(answer.body, _imported)
            arrived = _arrived(answer.headers.get("range", ""))
            asked = 0 if arrived > furthest else asked + 1
            if asked > _ASKS:
                reason = f"an upload stays at {arrived} of {len(raw)} bytes"
                raise WriteUncertain(reason) if last else GmailUnavailable(reason)
            at, furthest = arrived, max(arrived, furthest)

    def _same_server(self, target: str) -> str:
        """Where an upload goes on: the token is sent nowhere else than to the endpoint."""
        here, there = urlsplit(self._endpoint), urlsplit(target)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise AnswerUnreadable(f"an upload does not go on at {quote(target[:80])}")
        return target

    def _answer(self, call: Call, token: str) -> Answer:
        answer = self._transport.send(call, token)
        if answer.fault is not None:
            raise answer.fault
        if answer.status != 200:
            raise classify(answer.status, answer.body, answer.headers, self._now())
        return answer

    def _read(self, call: Call, token: str, reader: Callable[[dict[str, Any]], _T]) -> _T:
        return documents.read(self._answer(call, token).body, reader)

    def _write(self, call: Call, token: str, reader: Callable[[dict[str, Any]], _T]) -> _T:
        answer = self._transport.send(call, token)
        if answer.fault is not None:
            if not answer.sent:
                raise answer.fault
            raise WriteUncertain(str(answer.fault))
        if answer.status != 200:
            error = classify(answer.status, answer.body, answer.headers, self._now())
            # 5xx, a redirect, a page of a proxy: the call may have been made all the same.
            doubtful = answer.status >= 500 or answer.status < 400 or answer.status == 408
            raise WriteUncertain(str(error)) if doubtful else error
        return _certain(answer.body, reader)


def _certain(body: bytes | bytearray, reader: Callable[[dict[str, Any]], _T]) -> _T:
    try:
        return documents.read(body, reader)
    except AnswerUnreadable as exc:
        raise WriteUncertain(str(exc)) from exc


def _imported(document: dict[str, Any]) -> Imported:
    return Imported(from_hex(document["id"]), from_hex(document["threadId"]))


def _arrived(header: str) -> int:
    """Bytes that have arrived, by a Range header ("bytes=0-41")."""
    last = header.rpartition("-")[2]
    return int(last) + 1 if last.isdigit() else 0
