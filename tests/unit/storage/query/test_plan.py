"""How a condition is split between the message index, a word index and Parquet."""

from datetime import UTC, datetime

import pytest

from storage.model.time_range import EARLIEST, LATEST
from storage.query.binder import MailboxNames
from storage.query.conditions import ANYWHERE, AllOf, AnyOf, Condition, Contains, Negated
from storage.query.parser import parse
from storage.query.plan import Plan, plan
from storage.query.wordfilter import word_filter

NOW = datetime(2024, 5, 31, tzinfo=UTC)
MAILBOX = MailboxNames({"receipts": "Label_1", "my projects": "Label_2", "inbox": "INBOX"})
A, B = Contains(ANYWHERE, ("a",)), Contains(ANYWHERE, ("b",))


def meaning(text: str) -> Condition:
    return MAILBOX.meaning(parse(text), NOW, include_hidden=True)


def planned(text: str, include_hidden: bool = False) -> Plan:
    return plan(MAILBOX.meaning(parse(text), NOW, include_hidden))


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("", (), ("SPAM", "TRASH")),
        ("label:Receipts", ("Label_1",), ("SPAM", "TRASH")),
        ("label:my-projects -label:inbox", ("Label_2",), ("INBOX", "SPAM", "TRASH")),
        ("label:Label_9", ("Label_9",), ("SPAM", "TRASH")),
        ("in:sent", ("SENT",), ("SPAM", "TRASH")),
        ("in:trash", ("TRASH",), ("SPAM",)),
        ("is:unread is:starred", ("UNREAD", "STARRED"), ("SPAM", "TRASH")),
        ("is:read", (), ("UNREAD", "SPAM", "TRASH")),
        ("-is:read", ("UNREAD",), ("SPAM", "TRASH")),
        ("in:Anywhere", (), ()),
        ("{in:spam in:trash}", (), ()),
    ],
)
def test_labels_that_must_hold_are_bounds_of_the_index(
    text: str, wanted: tuple[str, ...], unwanted: tuple[str, ...]
) -> None:
    made = planned(text)

    assert (made.with_labels, made.without_labels, made.asks_content) == (wanted, unwanted, False)


def test_days_that_must_hold_bound_the_search_and_negation_turns_them_around() -> None:
    first, last = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC)

    assert (planned("").after_at, planned("").before_at) == (EARLIEST, LATEST)
    for text in ("after:2024/1/2 before:2024/3/4 after:2023/1/1", "-before:2024/1/2 -after:2024/3/4"):
        made = planned(text)
        assert (made.after_at, made.before_at, made.index) == (first, last, "TRUE")


@pytest.mark.parametrize(
    ("text", "index", "sets"),
    [
        ("a b", "TRUE", ()),
        ("-in:anywhere", "NOT TRUE", ()),
        ("a -in:anywhere", "NOT TRUE", ()),
        ("in:inbox OR is:starred", "((m.labels @> CAST(:i0 AS text[])) OR (m.labels @> CAST(:i1 AS text[])))", ()),
        (
            "-{is:unread larger:5}",
            "NOT ((m.labels @> CAST(:i0 AS text[])) OR (m.size_bytes > CAST(:i1 AS bigint)))",
            (),
        ),
        (
            "{is:unread a b}",
            "((m.labels @> CAST(:i0 AS text[])) OR (m.message_id = ANY(CAST(:set0 AS bigint[]))))",
            (AnyOf((A, B)),),
        ),
        (
            "-(is:unread -a)",
            "NOT ((m.labels @> CAST(:i0 AS text[])) AND (m.message_id = ANY(CAST(:set0 AS bigint[]))))",
            (Negated(A),),
        ),
    ],
)
def test_what_the_index_combines(text: str, index: str, sets: tuple[Condition, ...]) -> None:
    made = planned(text)

    assert (made.index, made.sets) == (index, sets)


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("a b", "(a0 AND a1)"),
        ("a OR b", "(a0 OR a1)"),
        ("a -b", "(a0 AND NOT FALSE)"),
        ("a -has:attachment", "(a0 AND NOT a1)"),
        ("a OR is:unread", "(a0 OR TRUE)"),
        ("a -(is:unread has:attachment)", "(a0 AND NOT (FALSE AND a1))"),
        ("a OR larger:5", "(a0 OR a1)"),
        ("a a", "(a0 AND a0)"),
    ],
)
def test_candidates_are_never_too_few(text: str, candidates: str) -> None:
    assert planned(text).candidates == candidates


def test_values_are_bound_and_never_part_of_any_sql() -> None:
    hostile = "x') OR 1=1 --"
    made = planned(f'subject:"{hostile}" -has:youtube {{label:"{hostile}" rfc822msgid:"{hostile}"}} larger:5')
    every = " ".join((made.index, made.candidates, *(atom.sql for atom in made.atoms)))

    assert "1=1" not in every and "youtu" not in every
    assert [hostile] in made.index_values.values()
    assert hostile in made.values.values()


def test_a_pasted_page_is_scanned_for_a_few_of_its_words() -> None:
    made = planned('"' + " ".join(f"word{number}" for number in range(200)) + '"', include_hidden=True)

    assert len(made.atoms) == 1
    assert len(made.values) == 6


@pytest.mark.parametrize(
    ("text", "expression", "exact"),
    [
        ("", None, True),
        ("a -b", AllOf((A, Negated(B))), True),
        ("a OR b", AnyOf((A, B)), True),
        ("a is:unread", A, False),
        ("a OR is:unread", None, False),
        ("-(a is:unread)", None, False),
        ("+à", A, False),
        ("-+à", None, False),
        ("a AROUND 3 b", AllOf((A, B)), False),
        ("会 a", AllOf((Contains(ANYWHERE, ("会",)), A)), True),
        ('"a b 会 a"', AllOf((Contains(ANYWHERE, ("a", "b")), Contains(ANYWHERE, ("会",)), A)), False),
        ('subject:"a b"', Contains(("subject",), ("a", "b")), True),
    ],
)
def test_a_word_index_gets_the_conditions_that_it_can_decide(
    text: str, expression: Condition | None, exact: bool
) -> None:
    found = word_filter(meaning(text))

    assert (found.expression, found.exact) == (expression, exact)
