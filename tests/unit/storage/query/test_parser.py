"""Gmail's search language, read into its tree, or refused at a position."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.query.errors import InvalidQuery
from storage.query.parser import parse
from storage.query.printing import print_query
from storage.query.tree import (
    EVERYTHING,
    Aged,
    And,
    Around,
    Dated,
    Exact,
    Field,
    Named,
    Not,
    Or,
    Phrase,
    Sized,
    Tree,
    Word,
)
from tests.unit.storage.query.trees import ALPHABET, days, measured, named, seconds, trees, written

A, B, C = Word("a"), Word("b"), Word("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", EVERYTHING),
        ("  \t ", EVERYTHING),
        ("invoice", Word("invoice")),
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a and or b", And((A, Word("and"), Word("or"), B))),
        ("a OR b OR c", Or((A, B, C))),
        ("a b OR c", And((A, Or((B, C))))),
        ("(a b) OR c", Or((And((A, B)), C))),
        ("{a b}", Or((A, B))),
        ("{a (b c)}", Or((A, And((B, C))))),
        ("{a}", A),
        ("((a) (b c))", And((A, B, C))),
        ("-a", Not(A)),
        ("--a", Not(Not(A))),
        ("-(a b)", Not(And((A, B)))),
        ("-{a b}", Not(Or((A, B)))),
        ("a-b", Word("a-b")),
        ('-"annual  report"', Not(Phrase("annual  report"))),
        ("“typed on a phone”", Phrase("typed on a phone")),
        ('one"two"', And((Word("one"), Phrase("two")))),
        ("FROM:ann -To:bob", And((Field("from", Word("ann")), Not(Field("to", Word("bob")))))),
        ("list:info deliveredto:me", And((Field("list", Word("info")), Field("deliveredto", Word("me"))))),
        ("from:(a b)", And((Field("from", A), Field("from", B)))),
        ("subject:{a -b}", Or((Field("subject", A), Not(Field("subject", B))))),
        ('subject:(a OR "b c")', Or((Field("subject", A), Field("subject", Phrase("b c"))))),
        ("label:(x y)", And((Named("label", "x"), Named("label", "y")))),
        ('label:"Two Words"', Named("label", "Two Words")),
        ("in:{Inbox sent}", Or((Named("in", "inbox"), Named("in", "sent")))),
        ("is:UNREAD has:Yellow-Star", And((Named("is", "unread"), Named("has", "yellow-star")))),
        ("category:social", Named("category", "social")),
        ("rfc822msgid:<A@b.c>", Named("rfc822msgid", "<A@b.c>")),
        ("+héllo", Exact("héllo")),
        ('+"two words"', Exact("two words")),
        ('+"-0"', Exact("-0")),
        ("subject:+x", Field("subject", Exact("x"))),
        ("a AROUND 10 b", Around(A, B, 10)),
        ('a AROUND 0 "b c" d', And((Around(A, Phrase("b c"), 0), Word("d")))),
        ("subject:(a AROUND 2 b)", Field("subject", Around(A, B, 2))),
        ("{a AROUND 2 b c}", Or((Around(A, B, 2), C))),
        ("larger:2K smaller:10MB", And((Sized("larger", 2048), Sized("smaller", 10 << 20)))),
        ("size:1000000", Sized("size", 1000000)),
        ("after:2024/2/29", Dated("after", datetime(2024, 2, 29, tzinfo=UTC))),
        ("-before:2024-12-01", Not(Dated("before", datetime(2024, 12, 1, tzinfo=UTC)))),
        ("newer:04/16/2004", Dated("newer", datetime(2004, 4, 16, tzinfo=UTC))),
        ("older:1388552400", Dated("older", datetime(2014, 1, 1, 5, tzinfo=UTC))),
        ("older_than:1Y newer_than:2d", And((Aged("older_than", 1, "y"), Aged("newer_than", 2, "d")))),
        ("メール 日本", And((Word("メール"), Word("日本")))),
        ("a.b@c-d.e", Word("a.b@c-d.e")),
        ("12:30", Word("12:30")),
        ("a &", A),
        ("a - b", And((A, B))),
        ("+ b –", B),
        ("a & b – #c (d)", And((A, B, Word("#c"), Word("d")))),
        ("subject:a | b", And((Field("subject", A), B))),
        ("Re: Fwd: a", A),
        ("Re:", Word("Re")),
        ("Ticket: a", And((Word("Ticket"), A))),
        ("(a - b) OR c", Or((And((A, B)), C))),
        ("from:-x", Field("from", Word("-x"))),
    ],
)
def test_a_search_is_read_into_its_tree(text: str, tree: Tree) -> None:
    assert parse(text) == tree
    assert parse(print_query(tree)) == tree


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ('a "never closed', 2, "a quotation mark is not closed"),
        ("a OR", 2, "OR needs a term on either side"),
        ("OR b", 0, "OR needs a term on either side"),
        ("a AND AND b", 6, "AND needs a term on either side"),
        ("(a OR) b", 3, "OR needs a term on either side"),
        ("{a AND b}", 3, "AND cannot stand inside { }: use ( )"),
        ("some (words here", 5, "unbalanced parenthesis"),
        ("some words here)", 15, "unbalanced parenthesis"),
        ("{a b", 0, "unbalanced brace"),
        ("(a}", 2, "unbalanced parenthesis"),
        ("a ()", 2, "an empty group finds nothing"),
        ("from:{}", 5, "an empty group finds nothing"),
        ("from: ann", 5, "a value is missing after from:"),
        ("from:", 5, "a value is missing after from:"),
        ("(from:)", 6, "a value is missing after from:"),
        ("a -subject:", 11, "a value is missing after subject:"),
        ('from:""', 5, "a value is missing after from:"),
        ('label:" "', 6, "a value is missing after label:"),
        ("form:ann", 0, "form: is no operator; did you mean from?"),
        ("a -nosuchthing:x", 3, "nosuchthing: is no operator; quote it to search for the text"),
        ("from:(subject:x)", 6, "subject: cannot stand inside from:"),
        ('a " "', 2, "an empty phrase: it finds nothing"),
        ("&", 0, "there is no letter or digit in '&': it finds nothing"),
        ("- & –", 0, "there is no letter or digit in '-': it finds nothing"),
        ("a from:(&)", 8, "there is no letter or digit in '&': it finds nothing"),
        ("a -) b", 2, "a term is missing after the minus"),
        ("a +) b", 2, "a word is missing after the plus"),
        ("label:+x", 6, "label: takes no +"),
        ("a AROUND b", 9, "a number of words is missing after AROUND"),
        ("a AROUND 1001 b", 9, "AROUND reaches at most 1000 words"),
        ("a AROUND 3", 2, "AROUND needs a term on either side"),
        ("AROUND 3 b", 0, "AROUND needs a term on either side"),
        ("is:unread AROUND 3 b", 10, "AROUND joins two words or phrases, nothing else"),
        ("larger:1T", 7, "'1T' is not a size such as 10M"),
        ("larger:-5", 7, "'-5' is not a size such as 10M"),
        ("after:2023/02/29", 6, "'2023/02/29' is not a day such as 2026/01/31"),
        ("before:yesterday", 7, "'yesterday' is not a day such as 2026/01/31"),
        ("after:2024", 6, "'2024' is not a day such as 2026/01/31"),
        ("older_than:2w", 11, "'2w' is not an age such as 2d, 3m or 1y"),
        ("category:socal", 9, "did you mean social?"),
        ("has:yelow-star", 4, "did you mean yellow-star?"),
        ("a\x00b", 1, "this is not a character of text"),
        ("ab \udcff", 3, "this is not a character of text"),
    ],
)
def test_a_syntax_error_is_reported_with_its_position(text: str, position: int, reason: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse(text)

    assert refused.value.position == position
    assert reason in refused.value.reason
    assert f"character {position} (" in str(refused.value)


def test_a_search_is_bounded() -> None:
    assert len(parse("a " * 50).parts) == 50  # type: ignore[union-attr]
    parse("(" * 20 + "a" + ")" * 20)
    for text in ("a " * 51, "a" * 2001, "(" * 21 + "a" + ")" * 21, "-" * 21 + "a", "from:(" + "-" * 30 + "a)"):
        with pytest.raises(InvalidQuery):
            parse(text)


texts = st.text(ALPHABET + "abc :+-", min_size=1, max_size=12)
sizes = st.integers(0, 10**12 - 1)
labels = named(["Label_1", "two words", "x:y", "+1"])
any_tree = trees(st.one_of(written(texts, texts), labels, measured(days | seconds, sizes)))


@given(any_tree)
def test_a_printed_tree_reads_as_itself(tree: Tree) -> None:
    assert parse(print_query(tree)) == tree


@given(st.text(max_size=300) | st.text('()[]{}"-:+\\*.^$ \x00aORis/0', max_size=300))
def test_any_text_is_a_tree_or_refused_inside_it(text: str) -> None:
    try:
        tree = parse(text)
    except InvalidQuery as refused:
        assert 0 <= refused.position <= len(text)
    else:
        assert parse(print_query(tree)) == tree


@pytest.mark.parametrize("text", ["-" * 2000, '"' * 1999, "a:" * 1000, " " * 2000, '-"' * 999, "(" * 2000, "{-" * 1000])
def test_a_hostile_search_ends_soon(text: str) -> None:
    try:
        parse(text)
    except InvalidQuery as refused:
        assert 0 <= refused.position <= 2000
