"""Reading Gmail's JSON, strictly."""

from base64 import urlsafe_b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gmail import documents
from jobs.gmail.errors import AnswerUnreadable
from jobs.gmail.records import Label, LabelChanged, MessageAdded, MessageDeleted, RawMessage
from storage.model.storable import original

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

    assert (original(message.snippet), message.raw) == ("hi 😀 \ud83d", b"\xff\xef")


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
        {"raw": "", "sizeEstimate": ...},
        {"labelIds": "INBOX"},
        {"labelIds": {"INBOX": True}},
        {"labelIds": None},
    ],
)
def test_a_message_with_a_wrong_field_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(AnswerUnreadable):
        read_message(**changes)


@pytest.mark.parametrize("snippet", [None, 5, ["x"]])
def test_a_snippet_that_is_no_text_costs_no_message(snippet: object) -> None:
    assert read_message(snippet=snippet).snippet == ""


@pytest.mark.parametrize(
    "record",
    [
        {"labelsAdded": [{"message": {"id": "a"}, "labelIds": "INBOX"}]},
        {"messagesAdded": [{"message": {"id": "a", "threadId": "9", "labelIds": {"INBOX": 1}}}]},
        {"messagesDeleted": {"message": {"id": "a"}}},
    ],
)
def test_text_or_an_object_in_place_of_a_list_is_no_list_of_its_parts(record: dict[str, Any]) -> None:
    document = {"history": [{"id": "5"} | record], "historyId": "10"}

    page = documents.read(orjson.dumps(document), documents.history_page)

    assert page.changes == [] and len(page.unreadable) == 1


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


@pytest.mark.parametrize("record", [5, {}, {"id": "1", "messagesAdded": [{}]}, {"id": "1", "labelsAdded": 1}])
def test_a_record_that_cannot_be_read_costs_no_other(record: Any) -> None:
    good = {"id": "9", "messagesDeleted": [{"message": {"id": "a"}}]}
    document = {"history": [record, good], "historyId": "9"}

    page = documents.read(orjson.dumps(document), documents.history_page)

    assert page.changes == [MessageDeleted(10, 9)]
    assert page.unreadable == (str(record),)


@pytest.mark.parametrize("history", [5, {}, "x", None])
def test_a_history_of_another_shape_is_unreadable(history: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        documents.read(orjson.dumps({"history": history, "historyId": "1"}), documents.history_page)


_PROFILE = {"emailAddress": "a@b", "historyId": "7", "messagesTotal": 3, "threadsTotal": 2}


_WHOLE: list[tuple[dict[str, Any], Any]] = [
    (_PROFILE, documents.profile),
    ({"labels": [{"id": "A"}]}, documents.labels),
    ({"resultSizeEstimate": 0}, documents.message_page),
    ({"historyId": "1"}, documents.history_page),
]


@pytest.mark.parametrize(
    ("document", "reader"),
    [
        *(({}, reader) for _, reader in _WHOLE),
        *(({"error": {"code": 500}} | whole, reader) for whole, reader in _WHOLE),
        *((_PROFILE | {name: None}, documents.profile) for name in _PROFILE),
        (_PROFILE | {"messagesTotal": -1}, documents.profile),
        ({"nextPageToken": "t"}, documents.message_page),
        ({"messages": None, "resultSizeEstimate": 1}, documents.message_page),
        ({"messages": [], "nextPageToken": "t" * 5000, "resultSizeEstimate": 1}, documents.message_page),
        ({"labels": []}, documents.labels),
        ({"labels": [{"id": ""}]}, documents.labels),
        ({"history": []}, documents.history_page),
        ({"historyId": "0"}, documents.history_page),
        ({"id": "L"}, documents.label_total),
    ],
)
def test_an_answer_without_what_must_be_there_is_none(document: dict[str, Any], reader: Any) -> None:
    with pytest.raises(AnswerUnreadable):
        documents.read(orjson.dumps(document), reader)


def test_one_id_that_cannot_be_read_costs_no_other() -> None:
    document = {"messages": [{"id": "1a"}, {"id": "001b"}, {"id": 5}, {}, None, {"id": "ffffffffffffffff"}]}

    page = documents.read(orjson.dumps(document), documents.message_page)

    assert page.ids == [0x1A, -1]
    assert page.unreadable == ("001b", "5", "{}", "None")


def test_one_label_that_cannot_be_read_costs_no_other() -> None:
    given: list[Any] = [
        {"id": "A", "name": "Receipts", "type": "user", "color": {"textColor": "#000", "backgroundColor": "#fff"}},
        {"id": "B\0", "name": None, "messageListVisibility": "show", "labelListVisibility": "labelHide"},
        {"name": "C"},
        {"id": "x" * 300, "name": "D"},
        7,
    ]

    assert documents.read(orjson.dumps({"labels": given}), documents.labels) == [
        Label("A", "Receipts", "user", "", "#000/#fff"),
        Label("B\x1a0000", None, "user", "show/labelHide"),
    ]


@pytest.mark.parametrize("date_ms", [10**17, -(10**17), 253402300800000])
def test_a_date_beyond_the_calendar_is_a_defect_and_keeps_its_value(date_ms: int) -> None:
    assert read_message(internalDate=str(date_ms)).defects == (f"internal-date:{date_ms}",)
