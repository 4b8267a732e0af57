"""What a restore has to do: jobs/restoring/planning.py"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from jobs.gmail.writes import LARGEST_BYTES
from jobs.restoring.planning import (
    TargetMessage,
    difference,
    label_change,
    likeness,
    planned,
    rfc822_message_id,
    threads_of,
)
from storage.control.restore_records import RestoreMessage

_AT = datetime(2024, 5, 1, 12, tzinfo=UTC)


def _message(number: int, content: bytes = b"x", minutes: int = 0, size: int = 1) -> RestoreMessage:
    at = _AT + timedelta(minutes=minutes)
    return RestoreMessage(number, 0, number % 3, at, sha256(content).digest(), size, ("INBOX",))


def _there(content: bytes, thread_id: int = 7) -> TargetMessage:
    return TargetMessage(sha256(content).digest(), thread_id)


def test_messages_come_oldest_first_and_those_that_are_there_are_left() -> None:
    selected = [_message(1, b"a", 5), _message(2, b"b", 1), _message(3, b"c", 3)]

    rows = planned(selected, {99: _there(b"c")}, same_mailbox=False, relabel=False)

    assert [(row.message_id, row.state, row.position) for row in rows] == [
        (2, "pending", 0),
        (3, "present", 1),
        (1, "pending", 2),
    ]
    assert (rows[1].new_id, rows[1].new_thread) == (99, 7)


def test_one_message_there_stands_for_one_message_only() -> None:
    rows = planned([_message(1), _message(2), _message(3)], {8: _there(b"x"), 9: _there(b"x")}, False, True)

    assert sorted(row.state for row in rows) == ["pending", "relabel", "relabel"]
    assert {row.new_id for row in rows} == {8, 9, None}


def test_in_its_own_mailbox_a_message_stands_for_itself_first() -> None:
    rows = planned([_message(1), _message(2)], {2: _there(b"x", 4)}, same_mailbox=True, relabel=False)
    assert {row.message_id: row.new_id for row in rows} == {1: None, 2: 2}
    assert threads_of(rows, {2: _there(b"x", 4)}, same_mailbox=True) == {4: 4, 2: 4}


def test_what_an_earlier_restore_imported_is_there_although_gmail_changed_its_bytes() -> None:
    held = {2: _there(b"x"), 7: _there(b"X-Received: x"), 9: _there(b"changed")}
    earlier = {1: [6, 7], 2: [9], 3: [8]}  # 6 and 8 were deleted since

    rows = planned([_message(1), _message(2), _message(3, b"y")], held, True, False, earlier)

    assert {row.message_id: row.new_id for row in rows} == {1: 7, 2: 2, 3: None}
    assert {row.message_id: row.state for row in rows} == {1: "present", 2: "present", 3: "pending"}


def test_what_is_too_large_for_gmail_fails_in_the_plan() -> None:
    [row] = planned([_message(1, size=LARGEST_BYTES + 1)], {}, False, False)
    assert row.state == "failed" and "157286400" in str(row.detail)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Date: Wed, 1 May 2024 12:00:00 +0000", None),
        ("Date: Wed, 1 May 2024 14:00:00 +0200", None),
        ("Date: Wed, 1 May 2024 11:00:00 +0000", "dated 2024-05-01T11:00:00Z by its Date header instead of"),
        ("Date: soon", "no readable Date header"),
        ("Subject: none", "no readable Date header"),
    ],
)
def test_a_date_that_gmail_will_not_give_back_is_told(header: str, told: str | None) -> None:
    found = difference(f"{header}\r\n\r\nbody".encode(), _AT)
    assert found is None if told is None else told in str(found)


_MAIL = b"Received: from a\r\nDate: Wed, 1 May 2024 12:00:00 +0000\r\nMessage-ID: <a@x>\r\n\r\nbody\r\n"
_TRACE = b"Delivered-To: ada@example.com\r\nX-Received: by sim;\r\n        now\r\n"


@pytest.mark.parametrize(
    ("original", "found", "rank"),
    [
        (_MAIL, _MAIL, 0),
        (_MAIL, _TRACE + _MAIL, 1),
        (_MAIL, _TRACE + _MAIL.replace(b"12:00", b"14:00"), 1),
        (b"Subject: x\r\n\r\nhi\r\n", _TRACE + b"Date: Wed, 1 May 2024 12:00:00 +0000\r\nSubject: x\r\n\r\nhi\r\n", 1),
        (_MAIL.replace(b"\r\n", b"\n"), _TRACE + _MAIL, 1),
        (_MAIL, _MAIL.replace(b"from a", b"from b"), 2),
        (_MAIL, _MAIL.replace(b"body", b"other"), None),
        (_MAIL, _MAIL.replace(b"<a@x>", b"<b@x>"), None),
        (b"\r\nhi\r\n", _TRACE + b"\r\nhi\r\n", 1),
        (b"\r\nhi\r\n", b"Subject: x\r\n\r\nwell\r\n\r\nhi\r\n", None),
        (b"Date: Wed, 1 May 2024 12:00:00 +0000\r\n", _MAIL, None),
    ],
    ids=[
        "the same",
        "with trace fields",
        "with another date",
        "with a date",
        "with other line ends",
        "with other fields",
        "another body",
        "another Message-ID",
        "no header",
        "the end of a body",
        "nothing but a date",
    ],
)
def test_an_import_is_known_again_by_what_gmail_leaves_alone(original: bytes, found: bytes, rank: int | None) -> None:
    assert likeness(original, found) == rank


def test_a_message_id_is_one_that_gmail_can_be_asked_for() -> None:
    assert rfc822_message_id(b"Message-ID:\r\n <a.b@x>\r\n\r\n") == "a.b@x"
    assert rfc822_message_id("Message-ID: <ä@x>\r\n\r\n".encode()) is None
    assert rfc822_message_id(b"Subject: x\r\n\r\nMessage-ID: <a@x>") is None


def test_labels_that_are_gmails_own_to_give_are_never_changed() -> None:
    assert label_change(["INBOX", "SENT", "Label_1"], ["TRASH", "DRAFT", "Label_1"]) == (["INBOX"], ["TRASH"])
