"""What a search means, on one message."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from storage.query.conditions import AllOf, AnyOf, Attached, MessageId, Negated
from storage.query.evaluate import Content, Message, evaluate, matches
from storage.query.parser import parse

NOW = datetime(2024, 5, 31, 12, tzinfo=UTC)
LABELS = {"receipts": "Label_1", "my projects": "Label_2", "clients/acme": "Label_3", "inbox": "INBOX"}
MESSAGE = Message(
    Content(
        {
            "subject": ("Annual report: Müller",),
            "text": ("The quick brown fox jumps over https://docs.google.com/document/d/1 明日の会議です",),
            "from": ("Ann Lee <ann.lee@example.com>",),
            "to": ("Bob <bob@example.com>", "Carol Smith <carol@example.org>"),
            "cc": ("dan@example.net",),
            "bcc": ("eve@example.net",),
            "list": ("<announce.lists.example.com>",),
            "filename": ("quarter-three.pdf", ""),
            "deliveredto": ("bob+news@example.com",),
        },
        "<A.1@example.com>",
    ),
    frozenset(("INBOX", "UNREAD", "Label_2", "CATEGORY_SOCIAL", "YELLOW_STAR")),
    datetime(2024, 5, 1, 12, tzinfo=UTC),
    2048,
)


def found(text: str, message: Message = MESSAGE) -> bool:
    return matches(parse(text), message, LABELS, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "annual REPORT muller ann bob dan eve quarter",
        '"annual report muller"',
        "+müller",
        "+report",
        "ann.lee@example.com",
        "from:lee from:(ann lee) from:example.com",
        'to:"carol smith"',
        "cc:dan bcc:eve list:announce.lists.example.com filename:pdf deliveredto:bob+news",
        "rfc822msgid:A.1@example.com",
        "rfc822msgid:<A.1@example.com>",
        "quick AROUND 1 fox",
        "fox AROUND 1 quick",
        "fox AROUND 0 jumps",
        '"quick brown" AROUND 0 "fox jumps"',
        "会議 明日の会議 会",
        "in:inbox label:my-projects label:Label_2 is:unread category:social has:yellow-star has:userlabels",
        'label:"my projects"',
        "-in:archive in:anywhere",
        "has:attachment has:drive has:document",
        "after:2024/05/01 before:2024/05/02 newer:2024/5/1 older:2024/6/1",
        "newer_than:30d newer_than:1m newer_than:1y older_than:29d -older_than:1m",
        "larger:2047 smaller:2049 size:1K",
        "{nothing fox} -nothing -(fox nothing) nothing OR fox",
    ],
)
def test_a_search_finds_the_message(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    "text",
    [
        "repor",
        '"report annual"',
        "+muller",
        "subject:fox",
        "text_only_in_no_field",
        '"carol bob"',
        '"bob@example.com carol"',
        "quick AROUND 0 fox",
        "annual AROUND 100 fox",
        "fox AROUND 3 fox",
        "会見",
        "rfc822msgid:a.1@example.com",
        "is:read",
        "label:receipts",
        "in:archive",
        "-in:anywhere",
        "has:nouserlabels",
        "has:youtube",
        "has:spreadsheet",
        "after:2024/05/02",
        "before:2024/05/01",
        "older_than:1m",
        "newer_than:29d",
        "larger:2K",
        "smaller:2K",
        "{nothing nowhere}",
        "-{nothing fox}",
    ],
)
def test_a_search_does_not_find_the_message(text: str) -> None:
    assert not found(text)


def test_spam_and_trash_are_found_only_when_asked_for_outside_of_a_negation() -> None:
    spam, trash = (replace(MESSAGE, labels=MESSAGE.labels | {label}) for label in ("SPAM", "TRASH"))

    assert not found("fox", spam)
    assert found("fox in:spam", spam)
    assert found("fox in:anywhere", spam) and found("fox in:anywhere", trash)
    assert found("nothing OR in:spam", spam)
    assert not found("in:spam", trash)
    assert found("{in:spam in:trash}", trash)
    assert not found("-in:trash", spam)
    assert found("--in:spam", spam)
    assert matches(parse("fox"), spam, LABELS, NOW, include_hidden=True)


def test_labels_are_named_as_they_are_typed() -> None:
    acme = replace(MESSAGE, labels=frozenset(("Label_3",)))

    for name in ("clients/acme", "Clients-Acme", "Label_3"):
        assert found(f"label:{name}", acme)
    assert found("in:archive", acme)


def test_what_is_unknown_stays_unknown_only_where_it_decides() -> None:
    known = {Attached(): True}.get  # of the message id nothing is known
    unknown, true = MessageId("x"), Attached()

    assert evaluate(AnyOf((unknown, true)), known) is True  # type: ignore[arg-type]
    assert evaluate(AllOf((unknown, Negated(true))), known) is False  # type: ignore[arg-type]
    assert evaluate(AllOf((unknown, true)), known) is None  # type: ignore[arg-type]
    assert evaluate(Negated(unknown), known) is None  # type: ignore[arg-type]
