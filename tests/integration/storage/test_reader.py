"""Reading one user's mail: only that user's, each message once, as it is now."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from jobs.mime import reading
from storage.fulltext.summary_cache import SummaryCache
from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.model.records import DELETED
from storage.reader import MailboxReader
from tests.integration.storage.factory import NOON, Mail, Shard
from tests.integration.storage.reading import ids

WITH_FILE = b"""From: Ann <ann@example.com>\r
Subject: Slides\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
See the file.\r
--b\r
Content-Type: application/pdf; name="quarter-three.pdf"\r
Content-Disposition: attachment; filename="quarter-three.pdf"\r
Content-Transfer-Encoding: base64\r
\r
cGRm\r
--b--\r
"""


def all_pages(reader: MailboxReader, text: str, limit: int) -> list[int]:
    found: list[int] = []
    after = None
    while True:
        page = reader.emails(MailQuery(text), limit=limit, after=after)
        assert len(page.items) <= limit
        found += [from_hex(mail.id) for mail in page.items]
        if page.next is None:
            return found
        assert len(page.items) == limit
        after = page.next


def test_no_method_shows_another_users_mail(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    manifest, index = shard.write(
        (ann, [Mail(1, subject="Ann's secret"), Mail(2, content=b"\xff\xfe garbage")]),
        (bob, [Mail(1, subject="Bob's")]),
    )
    shard.catalog.commit(shard.plan([ann, bob], manifest), index)
    shard.catalog.save_labels(ann, [("Label_1", "Private", "user")])
    reader = shard.reader(bob)

    assert [mail.subject for mail in reader.emails().items] == ["Bob's"]
    assert [mail.subject for mail in reader.emails(MailQuery("from:ann")).items] == ["Bob's"]
    assert ids(reader, "secret", include_spam_trash=True, include_deleted=True) == []
    assert reader.raw(1) == Mail(1, subject="Bob's").raw
    found = reader.email(1)
    assert found is not None
    assert found.summary.subject == "Bob's"
    assert (reader.email(2), reader.raw(2)) == (None, None)
    assert reader.labels() == []
    assert reader.top_senders(10) == [
        {"sender": "ann@example.com", "messages": 1, "size_bytes": len(reader.raw(1) or b"")}
    ]
    assert reader.defective(10) == []
    state = reader.state()
    assert state is not None
    assert (state.user_id, state.messages) == (bob, 1)


def test_unknown_ids_and_users_have_nothing(shard: Shard) -> None:
    reader = shard.reader(shard.user())

    for message_id in (0, 1, -1, (1 << 63) - 1, -(1 << 63)):
        assert (reader.email(message_id), reader.raw(message_id)) == (None, None)
    nobody = shard.reader(-5)
    assert nobody.state() is None
    assert (nobody.emails(MailQuery("word")).items, nobody.top_senders(5), nobody.defective(5)) == ((), [], [])


@pytest.mark.parametrize("text", ["", "morning", "-evening", "is:unread morning"])
@pytest.mark.parametrize("limit", [2, 100])
def test_paging_gives_every_message_once_even_with_equal_dates(
    new_shard: Callable[[], Shard], text: str, limit: int
) -> None:
    shard = new_shard()
    user = shard.user()
    mails = [
        Mail(message_id, labels=("UNREAD",), received_at=NOON + timedelta(milliseconds=message_id % 3))
        for message_id in (5, -5, 7, 1, 2, 3, 4, 6, 8)
    ]
    for start in range(0, 9, 3):  # equal dates lie in different segments
        shard.store(user, *mails[start : start + 3])
    expected = sorted(mails, key=lambda mail: (mail.received_at, mail.message_id), reverse=True)

    assert all_pages(shard.reader(user), text, limit) == [mail.message_id for mail in expected]


def test_mail_that_arrives_while_paging_moves_nothing(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *(Mail(number, received_at=NOON + timedelta(seconds=number)) for number in range(4)))
    reader = shard.reader(user)
    first = reader.emails(MailQuery("morning"), limit=2)
    shard.store(user, Mail(9, received_at=NOON + timedelta(hours=1)))

    second = reader.emails(MailQuery("morning"), limit=2, after=first.next)

    assert [mail.id for mail in (*first.items, *second.items)] == ["3", "2", "1", "0"]


def test_a_search_that_labels_thin_out_goes_on_until_the_page_is_full(shard: Shard) -> None:
    user = shard.user()
    mails = [
        Mail(number, received_at=NOON + timedelta(seconds=number), labels=("STARRED",) if number % 10 == 0 else ())
        for number in range(60)
    ]
    shard.store(user, *mails[:30])
    shard.store(user, *mails[30:])

    assert all_pages(shard.reader(user), "is:starred morning", 2) == [50, 40, 30, 20, 10, 0]


def test_labels_are_asked_as_they_are_now(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2), Mail(3, labels=("INBOX", "UNREAD")))
    shard.catalog.save_labels(user, [("INBOX", "INBOX", "system"), ("Label_1", "Two Words", "user")])
    shard.change(user, (1, "INBOX", False), (2, "Label_1", True), (3, "UNREAD", False))
    reader = shard.reader(user)

    assert ids(reader, "in:inbox") == ids(reader, labels=["INBOX"]) == [3, 2]
    assert ids(reader, "in:inbox morning") == [3, 2]
    for text in ('label:"two words"', "label:two-words", "label:Label_1", "label:LABEL:1 ", "morning label:two-words"):
        assert ids(reader, text) == ([] if "LABEL:1" in text else [2])
    assert ids(reader, "is:unread") == []
    assert ids(reader, "-in:inbox is:read") == [1]
    assert ids(reader, labels=["INBOX", "Label_1"]) == [2]
    assert reader.emails(MailQuery(labels=("Label_1",))).items[0].labels == ("INBOX", "Label_1")


def test_spam_and_trash_show_only_when_asked_for(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2, labels=("SPAM",)), Mail(3, labels=("TRASH", "INBOX")))
    reader = shard.reader(user)

    assert ids(reader) == ids(reader, "morning") == ids(reader, labels=["INBOX"]) == [1]
    assert ids(reader, "in:spam") == ids(reader, labels=["SPAM"]) == [2]
    assert ids(reader, "in:trash morning") == [3]
    assert ids(reader, "in:anywhere") == ids(reader, "morning", include_spam_trash=True) == [3, 2, 1]
    shard.change(user, (2, "SPAM", False))
    assert ids(reader) == [2, 1]


def test_deleted_mail_is_kept_and_shows_only_when_asked_for(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2))
    shard.change(user, (1, DELETED, True))
    reader = shard.reader(user)

    assert ids(reader) == ids(reader, "morning") == [2]
    assert ids(reader, include_deleted=True) == ids(reader, "morning", include_deleted=True) == [2, 1]
    found = reader.email(1)
    assert found is not None
    assert found.summary.deleted_at is not None
    assert reader.raw(1) == Mail(1).raw


@pytest.fixture
def searched(shard: Shard) -> MailboxReader:
    """A mailbox with something to find."""
    user = shard.user()
    day = timedelta(days=1)
    shard.store(
        user,
        Mail(1, subject="Annual report", text="The figures for Überlingen, as promised."),
        Mail(2, subject="会議のお知らせ", text="明日の会議は十時です。", received_at=NOON + day),
        Mail(
            3, subject="Lunch?", sender="Carol Smith <carol@example.org>", received_at=NOON + 2 * day, text="x " * 3000
        ),
        Mail(4, content=WITH_FILE, received_at=NOON + 3 * day),
        Mail(5, subject="100% (C++) a.c [draft]", to="Dan <dan@example.net>", received_at=NOON + 4 * day),
    )
    return shard.reader(user)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("REPORT", [1]),
        ("repor", []),
        ("überlingen", [1]),
        ('"figures for überlingen"', [1]),
        ('"for figures"', []),
        ("会議", [2]),
        ("from:carol", [3]),
        ("from:carol@example.org", [3]),
        ('from:"carol smith"', [3]),
        ("to:dan", [5]),
        ("-to:bob", [5, 4]),
        ("cc:bob", []),
        ("-cc:bob", [5, 4, 3, 2, 1]),
        ("subject:report", [1]),
        ("subject:figures", []),
        ("-report", [5, 4, 3, 2]),
        ("-filename:pdf", [5, 3, 2, 1]),
        ("filename:quarter-three.pdf", [4]),
        ("has:attachment", [4]),
        ("-has:attachment from:ann", [5, 2, 1]),
        ("larger:5K", [3]),
        ("smaller:5K", [5, 4, 2, 1]),
        ("after:2024/05/03", [4 + 1, 4, 3]),
        ("before:2024/05/03", [2, 1]),
        ("from:ann after:2024/05/02 before:2024/05/05", [4, 2]),
        ("before:0001/01/01", []),
        ("report after:9999/12/31", []),
        ("subject:a.c", [5]),
        ("subject:a?c", [5]),
        ('"(C++)"', [5]),
        ('"[draft]"', [5]),
        ("100%", [5]),
        ("report lunch", []),
    ],
)
def test_a_search_finds(searched: MailboxReader, text: str, expected: list[int]) -> None:
    assert ids(searched, text) == expected
    assert all_pages(searched, text, 1) == expected


def test_a_message_is_shown_whole(searched: MailboxReader) -> None:
    found = searched.email(4)

    assert found is not None
    assert found.summary.has_attachment
    assert found.summary.date == NOON + timedelta(days=3)
    assert found.summary.date.utcoffset() == timedelta(0)
    assert found.text.strip() == "See the file."
    assert ("Subject", "Slides") in found.headers
    assert [(part.filename, part.size_bytes, part.sha256) for part in found.attachments] == [
        ("quarter-three.pdf", 3, hashlib.sha256(b"pdf").hexdigest())
    ]
    assert found.sha256 == hashlib.sha256(WITH_FILE).hexdigest()


@pytest.mark.parametrize("raw", [b"", b"\x00\xff\r\n\n", b"no header", bytes(range(256)) * 9000], ids=len)
def test_raw_bytes_come_back_exactly(shard: Shard, raw: bytes) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(-1, content=raw), Mail(3))
    reader = shard.reader(user)

    assert (reader.raw(-1), reader.raw(1), reader.raw(3)) == (raw, Mail(1).raw, Mail(3).raw)
    found = reader.email(-1)
    assert found is not None
    assert (found.summary.id, found.summary.size_bytes) == ("f" * 16, len(raw))


def test_defective_messages_are_listed_in_utc_newest_first(shard: Shard) -> None:
    user = shard.user()
    broken = b"Subject: b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nno parts"
    shard.store(user, Mail(1), Mail(2, content=broken), Mail(3, content=broken, received_at=NOON + timedelta(hours=1)))

    listed = shard.reader(user).defective(10)

    assert [row["id"] for row in listed] == ["3", "2"]
    assert all(row["defects"] and row["received_at"].utcoffset() == timedelta(0) for row in listed)
    assert [row["id"] for row in shard.reader(user).defective(1)] == ["3"]
    assert (shard.reader(user).defective_count(), shard.reader(shard.user()).defective_count()) == (2, 0)


def test_mail_of_any_date_can_be_paged(shard: Shard) -> None:
    user = shard.user()
    dates = [
        datetime(1, 1, 3, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999000, UTC),
        datetime(2500, 1, 1, 0, 0, 0, 7000, UTC),
    ]
    dates += [datetime(9999, 12, 29, 1, 2, 3, 457000, UTC)]
    shard.store(user, *(Mail(number, received_at=date) for number, date in enumerate(dates)))

    assert all_pages(shard.reader(user), "", 1) == all_pages(shard.reader(user), "morning", 1) == [3, 2, 1, 0]


def test_lists_and_messages_need_no_parquet_file(shard: Shard) -> None:
    user = shard.user()
    names = [shard.store(user, Mail(number, subject=f"Number {number}")) for number in (1, 2, 3)]
    reader = shard.reader(user)
    listed, found = reader.emails(), reader.emails(MailQuery("morning"))
    for name in names:
        (shard.root / f"{name}.parquet").unlink()

    assert reader.emails() == listed
    assert reader.emails(MailQuery("morning")) == found
    assert [email.subject for email in listed.items] == ["Number 3", "Number 2", "Number 1"]
    assert MailboxReader(user, shard.engine, shard.blobs, body=reading.body).email(2) is not None


def test_lists_of_splits_without_summaries_read_parquet(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2, sender="Zoë <zoe@example.org>"))
    listed = shard.reader(user).emails()

    monkeypatch.setattr(SummaryCache, "rows", lambda *_: {})
    assert shard.reader(user).emails() == listed


def test_mail_that_arrives_between_pages_disturbs_none(shard: Shard) -> None:
    user = shard.user()
    for number in range(10, 16):
        shard.store(user, Mail(number, received_at=NOON + timedelta(minutes=number)))
    reader = shard.reader(user)
    first = reader.emails(MailQuery("morning"), limit=2)
    shard.store(user, Mail(99, received_at=NOON + timedelta(days=1)), Mail(5, received_at=NOON - timedelta(days=1)))
    rest = reader.emails(MailQuery("morning"), limit=50, after=first.next)

    assert [mail.id for mail in (*first.items, *rest.items)] == ["f", "e", "d", "c", "b", "a", "5"]
