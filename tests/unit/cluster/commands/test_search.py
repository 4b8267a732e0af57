"""What a command line means as a search."""

import pytest

from cluster.commands.search import as_query
from storage.query.parser import parse
from storage.query.tree import And, Field, Not, Or, Phrase, Tree, Word

X = Word("x")


@pytest.mark.parametrize(
    ("arguments", "tree"),
    [
        (["from:grace weekly"], And((Field("from", Word("grace")), Word("weekly")))),
        (["weekly report", "-draft"], And((Phrase("weekly report"), Not(Word("draft"))))),
        (["subject:weekly report", "x"], And((Field("subject", Phrase("weekly report")), X))),
        (["-from:ada lovelace", "x"], And((Not(Field("from", Phrase("ada lovelace"))), X))),
        (["-weekly report", "x"], And((Not(Phrase("weekly report")), X))),
        (['"quoted already"', "x"], And((Phrase("quoted already"), X))),
        (["{from:ann from:bob}", "x"], And((Or((Field("from", Word("ann")), Field("from", Word("bob")))), X))),
        (["-(a b)", "x"], And((Not(And((Word("a"), Word("b")))), X))),
        (["from:(a b)", "OR", "x"], Or((And((Field("from", Word("a")), Field("from", Word("b")))), X))),
    ],
)
def test_an_argument_with_spaces_is_a_phrase_unless_it_is_grouped(arguments: list[str], tree: Tree) -> None:
    assert parse(as_query(arguments)) == tree
