"""storage/query/binder.py"""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.query.binder import Mailbox, names_label
from storage.query.parser import parse
from storage.query.tree import Tree
from tests.unit.storage.query.trees import named, trees, written

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("report", False),
        ("from:ann is:unread has:attachment category:promotions -larger:1M", False),
        ("label:receipts", True),
        ("in:receipts", True),
        ("report OR -(from:ann label:my-projects)", True),
    ],
)
def test_a_search_names_a_label_or_not(text: str, names: bool) -> None:
    assert names_label(parse(text)) is names


_texts = st.text("ab ", min_size=1)


@given(trees(st.one_of(written(_texts, _texts), named(["Receipts", "unread", "a"]))))
def test_a_search_that_names_no_label_means_the_same_in_every_mailbox(tree: Tree) -> None:
    labels = dict.fromkeys(("report", "receipts", "unread", "starred", "promotions", "attachment", "a"), "Label_7")
    if not names_label(tree):
        assert Mailbox(labels).meaning(tree, NOW) == Mailbox({}).meaning(tree, NOW)
