"""Reading one user's mail: only that user's, each message once, as it is now."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.mime import reading
from storage.files.blobs import FileDamaged
from storage.fulltext.summary_cache import SummaryCache
from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.model.records import DELETED
from storage.model.results import RankCursor
from storage.reader import MailboxReader
from tests.integration.storage.factory import NOON, Mail, Shard

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


def ids(
    reader: MailboxReader,
    text: str = "",
    labels: Sequence[str] = (),
    include_spam_trash: bool = False,
    include_deleted: bool = False,
) -> list[int]:
    page = reader.emails(MailQuery(text, tuple(labels), include_spam_trash, include_deleted))
    return [from_hex(mail.id) for mail in page.items]


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


def damage(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:20])
    else:
        path.write_bytes(b"PAR1" + b"\x07" * 100 + b"PAR1" if path.suffix == ".parquet" else bytes(path.stat().st_size))


@pytest.mark.parametrize("how", ["missing", "cut", "foreign"])
def test_a_damaged_file_is_told_by_its_name(shard: Shard, how: str) -> None:
    user = shard.user()
    names = [shard.store(user, Mail(number)) for number in (1, 2, 3)]
    reader = shard.reader(user)
    for suffix in (".parquet", ".raw.zst", ".split"):
        damage(shard.root / f"{names[1]}{suffix}", how)

    asked: list[Callable[[], object]] = [
        lambda: reader.emails(),
        lambda: reader.emails(MailQuery("morning")),
        lambda: reader.email(2),
        lambda: reader.top_senders(3),
        lambda: reader.defective(3),
    ]
    for ask in asked:
        with pytest.raises(FileDamaged) as told:
            ask()
        assert told.value.name == f"{names[1]}.parquet"
        assert str(shard.root) not in str(told.value)
    with pytest.raises(FileDamaged) as told:
        reader.raw(2)
    assert told.value.name == f"{names[1]}.raw.zst"
    assert reader.raw(1) == Mail(1).raw
    assert reader.email(3) is not None


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


def test_a_file_of_other_mail_is_damaged(shard: Shard) -> None:
    user, other = shard.user(), shard.user()
    name, foreign = shard.store(user, Mail(1)), shard.store(other, Mail(1))
    for suffix in (".parquet", ".raw.zst", ".split"):
        (shard.root / f"{name}{suffix}").write_bytes((shard.root / f"{foreign}{suffix}").read_bytes())

    with pytest.raises(FileDamaged, match=name):
        shard.reader(user).emails()
    with pytest.raises(FileDamaged, match=name):
        shard.reader(user).email(1)


@pytest.mark.parametrize("how", ["missing", "cut", "foreign"])
def test_a_damaged_word_index_is_told_by_name_and_costs_time_only(
    shard: Shard, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    user = shard.user()
    names = [shard.store(user, Mail(number)) for number in (1, 2, 3)]
    damage(shard.root / f"{names[1]}.split", how)

    assert [mail.id for mail in shard.reader(user).emails(MailQuery("morning")).items] == ["3", "2", "1"]
    assert [mail.id for mail in shard.reader(user).emails(MailQuery("nothing")).items] == []
    told = [record.getMessage() for record in caplog.records]
    assert sorted(text.partition(f"{names[1]}.split")[0] for text in told) == [
        *(["The summaries in "] if how != "missing" else []),
        "The word index ",
    ], "each use of the file is reported once"


def test_users_of_one_word_index_never_see_each_others_mail(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    manifest, index = shard.write((ann, [Mail(1, text="secret of ann")]), (bob, [Mail(1, text="secret of bob")]))
    shard.catalog.commit(shard.plan([ann, bob], manifest), index)

    for user, own, other in ((ann, "ann", "bob"), (bob, "bob", "ann")):
        reader = shard.reader(user)
        assert len(reader.emails(MailQuery(f'"secret of {own}"')).items) == 1
        assert reader.emails(MailQuery(f'"secret of {other}"')).items == ()
        assert len(reader.emails(MailQuery("-nothing")).items) == 1


def test_mail_that_arrives_between_pages_disturbs_none(shard: Shard) -> None:
    user = shard.user()
    for number in range(10, 16):
        shard.store(user, Mail(number, received_at=NOON + timedelta(minutes=number)))
    reader = shard.reader(user)
    first = reader.emails(MailQuery("morning"), limit=2)
    shard.store(user, Mail(99, received_at=NOON + timedelta(days=1)), Mail(5, received_at=NOON - timedelta(days=1)))
    rest = reader.emails(MailQuery("morning"), limit=50, after=first.next)

    assert [mail.id for mail in (*first.items, *rest.items)] == ["f", "e", "d", "c", "b", "a", "5"]


def ranked(reader: MailboxReader, text: str, limit: int = 50, after: RankCursor | None = None) -> list[str]:
    """The ids of all pages, best first."""
    page = reader.best(MailQuery(text), limit=limit, after=after)
    return [mail.id for mail in page.items] + (ranked(reader, text, limit, page.next) if page.next else [])


def test_the_best_come_first_in_whichever_segment_they_lie(shard: Shard) -> None:
    user = shard.user()
    filler = "many other things are said at length " * 20
    shard.store(user, Mail(1, text=f"report {filler}"), Mail(2, subject="Report", text=f"the report {filler}"))
    shard.store(user, Mail(3, text="nothing of it"), Mail(4, text=f"report report report {filler}"))
    shard.store(user, *(Mail(number, text="report") for number in range(0x10, 0x20)), Mail(5, text="annual report"))
    reader = shard.reader(user)

    assert ranked(reader, "subject:report OR report")[0] == "2"
    found = ranked(reader, "report")
    assert found[0] == "2"
    assert found.index("4") < found.index("1")
    assert sorted(found) == sorted(mail.id for mail in reader.emails(MailQuery("report")).items)
    assert ranked(reader, "report", limit=3) == found
    assert ranked(reader, '"annual report" -report') == []


def test_relevance_is_the_newest_first_where_no_index_tells(shard: Shard) -> None:
    user = shard.user()
    for number in (1, 2):
        shard.store(user, Mail(number), received(3 - number, number + 2), indexed=False)
    shard.store(user, Mail(9, labels=("STARRED",), text="morning"))
    reader = shard.reader(user)

    assert ranked(reader, "morning", 2)[0] == "9"
    assert ranked(reader, "morning", 2)[1:] == [
        mail.id for mail in reader.emails(MailQuery("morning -is:starred")).items
    ]
    assert ranked(reader, "in:inbox", 2) == [mail.id for mail in reader.emails(MailQuery("in:inbox")).items]
    assert ranked(reader, "is:starred morning") == ["9"]
    assert ranked(reader, "+morning -is:starred", 1) == [
        mail.id for mail in reader.emails(MailQuery("morning -is:starred")).items
    ]


def test_mail_that_arrives_between_pages_of_the_best_disturbs_none(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *(Mail(number, text="morning " * number) for number in range(1, 6)))
    reader = shard.reader(user)
    first = reader.best(MailQuery("morning"), limit=2)
    shard.store(user, Mail(99, subject="morning morning", text="morning", received_at=NOON + timedelta(days=1)))

    rest = ranked(reader, "morning", 2, first.next)
    assert sorted([*(mail.id for mail in first.items), *rest]) == ["1", "2", "3", "4", "5"]


def test_a_search_shows_where_its_words_stand(shard: Shard) -> None:
    user, other = shard.user(), shard.user()
    shard.store(user, Mail(1, subject="Annual <report>", text="See the report."), Mail(2, text="Nothing"))
    shard.store(other, Mail(3, text="report"))
    shown = shard.reader(user).highlights("report -subject:nothing from:ann", ["1", "2", "3"])

    assert {
        key: [(each.field, each.fragment.text, each.fragment.hits) for each in value] for key, value in shown.items()
    } == {
        "1": [("subject", "Annual <report>", ((8, 14),)), ("text", "See the report.", ((8, 14),))],
        "2": [],
    }
    assert shard.reader(user).highlights("is:unread", ["1"]) == shard.reader(user).highlights("report", []) == {}


def received(days: int, message_id: int) -> Mail:
    return Mail(message_id, received_at=NOON + timedelta(days=days))
