"""What a command line means as a search."""

import pytest

from cluster.commands.search import as_query
from storage.search import Term, parse


@pytest.mark.parametrize(
    ("arguments", "terms"),
    [
        (["from:grace weekly"], [Term("from", "grace", False), Term("words", "weekly", False)]),
        (["weekly report", "-draft"], [Term("words", "weekly report", False), Term("words", "draft", True)]),
        (["subject:weekly report", "x"], [Term("subject", "weekly report", False), Term("words", "x", False)]),
        (["-from:ada lovelace", "x"], [Term("from", "ada lovelace", True), Term("words", "x", False)]),
        (["-weekly report", "x"], [Term("words", "weekly report", True), Term("words", "x", False)]),
        (['"quoted already"', "x"], [Term("words", "quoted already", False), Term("words", "x", False)]),
    ],
)
def test_an_argument_with_spaces_is_a_phrase_unless_it_is_the_only_one(arguments: list[str], terms: list[Term]) -> None:
    assert parse(as_query(arguments)) == terms
