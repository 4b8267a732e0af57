"""Reading Gmail's JSON, strictly."""

from base64 import urlsafe_b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gmail import documents
from jobs.gmail.errors import AnswerUnreadable
from jobs.gmail.records import LabelChanged, MessageAdded, MessageDeleted, RawMessage

MESSAGE: dict[str, Any] = {
    "id": "1f",
    "threadId": "1e",
    "labelIds": ["INBOX", "UNREAD"],
    "historyId": "9007199254740993",
    "internalDate": "-1000",
    "sizeEstimate": 12,
    "snippet": "héllo",
    "raw": "_-8",
}


def read_message(**changes: Any) -> RawMessage:
    document = {key: value for key, value in (MESSAGE | changes).items() if value is not ...}
    return documents.read(orjson.dumps(document), documents.raw_message)


def test_a_message_is_read_completely() -> None:
    assert read_message() == RawMessage(
        id=0x1F,
        thread_id=0x1E,
        history_id=9007199254740993,
        internal_date_ms=-1000,
        labels=("INBOX", "UNREAD"),
        snippet="héllo",
        size_estimate=12,
        raw=b"\xff\xef",
    )


def test_a_message_without_labels_or_text_is_a_message() -> None:
    message = read_message(labelIds=..., snippet=..., raw="")

    assert (message.labels, message.snippet, message.raw) == ((), "", b"")


def test_a_snippet_cut_inside_an_emoji_does_not_cost_the_message() -> None:
    body = orjson.dumps(MESSAGE).replace("héllo".encode(), rb"hi \\ud83d\\ude00 \\ud83d".replace(rb"\\", b"\\"))

    message = documents.read(body, documents.raw_message)

    assert (message.snippet, message.raw) == ("hi 😀 ?", b"\xff\xef")


@given(st.binary(max_size=200))
def test_bytes_survive_with_and_without_padding(raw: bytes) -> None:
    padded = urlsafe_b64encode(raw).decode()

    assert read_message(raw=padded).raw == raw
    assert read_message(raw=padded.rstrip("=")).raw == raw


@pytest.mark.parametrize(
    "changes",
    [
        {"raw": ...},
        {"raw": None},
        {"raw": "A"},
        {"raw": "AA AA"},
        {"raw": "AA*A"},
        {"raw": "AAAé"},
        {"raw": 5},
        {"id": ...},
        {"id": 31},
        {"id": "zz"},
        {"threadId": None},
        {"historyId": "x"},
        {"historyId": "9" * 30},
        {"historyId": "9" * 5000},
        {"historyId": True},
        {"internalDate": 1.5},
        {"labelIds": 5},
        {"labelIds": [5]},
        {"snippet": ["x"]},
    ],
)
def test_a_message_with_a_wrong_field_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(AnswerUnreadable):
        read_message(**changes)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"<html>", b'"\\ud8', b"\xff\\ud8", b'"\\ud800"' + b"[" * 99_999],
)
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        documents.read(body, documents.profile)


def test_an_empty_listing_is_a_page_without_ids() -> None:
    page = documents.read(b'{"resultSizeEstimate": 0}', documents.message_page)

    assert (page.ids, page.next_page_token, page.estimate) == ([], None, 0)


def test_history_keeps_its_order_and_its_kinds() -> None:
    document = {
        "history": [
            {"id": "5", "messagesAdded": [{"message": {"id": "a", "threadId": "9", "labelIds": ["INBOX"]}}]},
            {"id": "6", "labelsAdded": [{"message": {"id": "a"}, "labelIds": ["STARRED", "X"]}]},
            {"id": "7", "labelsRemoved": [{"message": {"id": "a"}, "labelIds": ["X"]}]},
            {"id": "8", "messagesDeleted": [{"message": {"id": "a"}}]},
            {"id": "9"},
        ],
        "nextPageToken": "t",
        "historyId": "10",
    }

    page = documents.read(orjson.dumps(document), documents.history_page)

    assert page.changes == [
        MessageAdded(10, 9, ("INBOX",), 5),
        LabelChanged(10, "STARRED", True, 6),
        LabelChanged(10, "X", True, 6),
        LabelChanged(10, "X", False, 7),
        MessageDeleted(10, 8),
    ]
    assert (page.next_page_token, page.history_id) == ("t", 10)


def test_an_empty_history_page_may_carry_a_token() -> None:
    page = documents.read(b'{"nextPageToken": "t", "historyId": "3"}', documents.history_page)

    assert (page.changes, page.next_page_token, page.history_id) == ([], "t", 3)


@pytest.mark.parametrize(
    "history", [5, [5], [{}], [{"id": "1", "messagesAdded": [{}]}], [{"id": "1", "labelsAdded": 1}]]
)
def test_a_history_of_another_shape_is_unreadable(history: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        documents.read(orjson.dumps({"history": history, "historyId": "1"}), documents.history_page)
