"""Whatever is asked, the reader finds exactly the messages that the language's definition selects."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.model.results import PageCursor
from storage.query.evaluate import Content, Message, matches
from storage.query.parser import parse
from storage.query.printing import print_query
from storage.query.tree import Tree
from storage.reader import MailboxReader
from tests.integration.storage.factory import NOON, Mail, Shard
from tests.unit.storage.query.trees import measured, named, trees, written

LABELS = {"Label_1": "Receipts", "Label_2": "My Projects", "Label_3": "Clients/Acme"}
NAMES = {name.lower(): label_id for label_id, name in LABELS.items()}
NOW = NOON + timedelta(days=400)
ANN, BOB, EVE = "Ann Lee <ann.lee@example.com>", "Bob Müller <bob@example.com>", "Eve <eve@news.example.org>"

SUBJECTS = ("Annual report", "Re: Rechnung für Müller", "会議のお知らせ", "हिन्दी समाचार", "")
TEXTS = (
    "The quick brown fox jumps over the lazy dog. Report to ann.lee@example.com!",
    "Die Überraschung war groß: Straße, strasse, Muller und MÜLLER. Noe\u0308l",
    "明日の会議は十時です。東京2026年",
    "see https://docs.google.com/document/d/1 or youtu.be/x ｶﾞｲﾄﾞ 한국어 메일",
    "fox report " * 40 + "lazy naïve ﬁne",
)
STATES = ("INBOX", "UNREAD", "STARRED", "SENT", "SPAM", "TRASH", "CATEGORY_SOCIAL", "RED_BANG", *LABELS)


@dataclass(frozen=True)
class Archive:
    """A mailbox and what it holds."""

    reader: MailboxReader
    messages: dict[int, Message] = field(repr=False)  # Hypothesis prints every argument


def raw(fields: dict[str, tuple[str, ...]], message_id: str) -> bytes:
    names = {"from": "From", "to": "To", "cc": "Cc", "bcc": "Bcc", "subject": "Subject", "list": "List-Id"}
    names["deliveredto"] = "Delivered-To"
    lines = [f"Message-ID: <{message_id}>", "MIME-Version: 1.0"]
    for key, name in names.items():
        values = fields[key] if key == "deliveredto" else (", ".join(fields[key]),) * bool(any(fields[key]))
        lines += [f"{name}: {value}" for value in values]
    body = ["Content-Type: text/plain; charset=utf-8", "", fields["text"][0]]
    if fields["filename"]:
        lines.append("Content-Type: multipart/mixed; boundary=b")
        body = ["", "--b", *body]
        for name in fields["filename"]:
            body += [
                "--b",
                "Content-Type: application/pdf",
                f'Content-Disposition: attachment; filename="{name}"',
                "",
                "x",
            ]
        body.append("--b--")
    return "\r\n".join([*lines, *body, ""]).encode()


def mail(number: int) -> tuple[Mail, Message]:
    """The n-th message: its parts vary with n, each at its own pace."""
    fields = {
        "subject": (SUBJECTS[number % 5],),
        "text": (TEXTS[number // 2 % 5],),
        "from": ((ANN, BOB, EVE)[number % 3],),
        "to": ((BOB,), (ANN, EVE))[number % 2],
        "cc": ((), (EVE, BOB), ())[number % 3],
        "bcc": (ANN,) if number % 7 == 0 else (),
        "list": ("<announce.lists.example.com>",) if number % 4 == 0 else ("",),
        "filename": ((), ("quarter-three.pdf",), ("Überblick.pdf", "report_fox.txt"))[number % 3],
        "deliveredto": ("ann.lee+news@example.com",) * (number % 3),
    }
    message_id = f"A.{number % 9}@example.com"
    labels = {state for at, state in enumerate(STATES) if (number * 7 + at * at) % (3 + at % 4) == 0}
    content = raw(fields, message_id)
    received_at = NOON + timedelta(days=number * 37 % 360, hours=number)
    stored = Mail(number + 1, labels=tuple(sorted(labels)), received_at=received_at, content=content)
    return stored, Message(Content(fields, f"<{message_id}>"), frozenset(labels), received_at, len(content))


@pytest.fixture(scope="module", params=["indexed", "scanned", "both"])
def archive(engine: Engine, archive_root: Path, request: pytest.FixtureRequest) -> Iterator[Archive]:
    """Thirty messages in three segments, some relabelled since. Word indexes: of all, of none, of all but one."""
    shard = Shard(engine, archive_root)
    user = shard.user()
    made = [mail(number) for number in range(30)]
    for start in range(0, 30, 10):
        indexed = request.param == "indexed" or (request.param == "both" and start != 10)
        shard.store(user, *(stored for stored, _ in made[start : start + 10]), indexed=indexed)
    shard.catalog.save_labels(user, [(label_id, name, "user") for label_id, name in LABELS.items()])
    messages = {stored.message_id: message for stored, message in made}
    for number in (3, 8, 13, 18):
        changes = (("UNREAD", number % 2 == 0), ("Label_2", True), ("INBOX", False))
        shard.change(user, *((number, label, on) for label, on in changes), history_id=20)
        off, on = ({label for label, is_on in changes if is_on is wanted} for wanted in (False, True))
        messages[number] = replace(messages[number], labels=messages[number].labels - off | on)
    yield Archive(shard.reader(user), messages)


TERMS = (
    *("report", "fox jumps", "quick brown fox", "lazy", "the", "nothing", "pdf", "report_fox.txt", "fine"),
    *("muller", "Müller", "groß", "strasse", "Noël", "ann.lee@example.com"),
    *("会議", "明日の会議", "会", "東京2026", "हिन्दी", "ガイド", "한국어", "메"),
)
texts = st.sampled_from(TERMS)
bare = texts.filter(lambda text: " " not in text)
days = st.integers(-10, 420).map(lambda day: datetime(2024, 5, 1, tzinfo=UTC) + timedelta(days=day))
leaves = st.one_of(
    written(texts, bare),
    named([*LABELS, "my-projects", "Clients-Acme", "other"]),
    st.sampled_from(["rfc822msgid:A.3@example.com", "rfc822msgid:none"]).map(parse),
    measured(days, st.sampled_from((300, 500, 700, 1000))),
    st.integers(0, 14).map(lambda months: parse(f"newer_than:{months}m")),
)


def found(archive: Archive, tree: Tree, limit: int, include_hidden: bool) -> list[int]:
    ids: list[int] = []
    after: PageCursor | None = None
    while True:
        page = archive.reader.emails(
            MailQuery(print_query(tree), include_spam_trash=include_hidden, now=NOW), limit=limit, after=after
        )
        ids += [from_hex(mail.id) for mail in page.items]
        if page.next is None:
            return ids
        after = page.next


@settings(max_examples=40)
@given(trees(leaves, 8), st.sampled_from((3, 50)), st.booleans())
@example(parse("is:unread OR fox"), 3, False)
@example(parse("-(in:inbox -fox) {label:my-projects +müller has:attachment}"), 3, True)
@example(parse("-in:anywhere"), 50, True)
@example(parse("fox OR -in:anywhere"), 50, True)
@example(parse("会 -subject:会議"), 50, True)
@example(parse("fox AROUND 0 report"), 50, True)
def test_the_reader_finds_what_the_definition_selects(
    archive: Archive, tree: Tree, limit: int, include_hidden: bool
) -> None:
    selected = [
        (message.received_at, number)
        for number, message in archive.messages.items()
        if matches(tree, message, NAMES, NOW, include_hidden)
    ]

    assert found(archive, tree, limit, include_hidden) == [number for _, number in sorted(selected, reverse=True)]


def test_the_archive_answers_both_ways(archive: Archive) -> None:
    """The messages differ enough for a wrong answer to show."""
    for text in (
        "fox",
        "from:ann",
        "is:unread",
        "会議",
        "+müller",
        "has:attachment",
        "larger:700",
        "newer_than:6m",
        "cc:eve",
    ):
        assert 0 < len(found(archive, parse(text), 50, True)) < len(archive.messages), text


def test_me_is_the_owner_of_the_mailbox(engine: Engine, archive_root: Path) -> None:
    shard = Shard(engine, archive_root)
    user = shard.user()
    state = shard.reader(user).state()
    assert state is not None
    shard.store(user, Mail(1, sender=f"Me Myself <{state.email}>"), Mail(2, text="not from me"))

    assert [mail.id for mail in shard.reader(user).emails(MailQuery("from:me")).items] == ["1"]
    assert [mail.id for mail in shard.reader(user).emails(MailQuery("-from:me")).items] == ["2"]
