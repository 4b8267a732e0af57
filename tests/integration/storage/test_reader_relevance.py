"""Pages by relevance: the best matches first, each message once, with the places of the words."""

from datetime import timedelta

from storage.model.mail_query import MailQuery
from storage.model.results import RankCursor
from storage.reader import MailboxReader
from tests.integration.storage.factory import NOON, Mail, Shard


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
