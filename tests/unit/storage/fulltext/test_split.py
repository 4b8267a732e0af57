"""A split answers as the definition of a search does, for one user, in the order of a list."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage.files.blobs import FileDamaged
from storage.fulltext import builder
from storage.fulltext.builder import FIELDS
from storage.fulltext.split import Split
from storage.model.results import PageCursor
from storage.query.conditions import ANYWHERE, AllOf, AnyOf, Condition, Contains, Negated
from storage.query.words import is_lone, words
from tests.unit.storage.fulltext.made import NOON, Made, asked, newest, opened, reading, split
from tests.unit.storage.query.trees import ALPHABET

LISTS = ("to", "cc", "bcc", "filename", "deliveredto")
PIECES = ("ab", "éa", "Straße", "東京都", "会議", "한국", "ガイド", "हिन्दी", "a.b@c", "x" * 70, "_", "\n", "ﬁ⑴", "会")
texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=5).map(" ".join),
    st.text(ALPHABET, max_size=8),
)
contents = st.fixed_dictionaries(
    {},
    optional={name: st.lists(texts, max_size=3 if name in LISTS else 1).map(tuple) for name in FIELDS},
)
# Of a phrase with a character by itself the index is told the pieces (language/wordfilter.py).
phrases = texts.map(lambda text: tuple(words(text))).filter(
    lambda phrase: len(phrase) < 2 or not any(map(is_lone, phrase))
)
leaves = st.builds(Contains, st.one_of(st.just(ANYWHERE), st.sampled_from([(name,) for name in FIELDS])), phrases)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Negated, inner),
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=5,
)


def mailbox(found: Sequence[dict[str, tuple[str, ...]]]) -> list[Made]:
    """Messages of two users, taking turns; some of one minute."""
    return [Made(number - 3, fields, 1 + number % 2, number // 4) for number, fields in enumerate(found)]


def truth(messages: Sequence[Made], condition: Condition, user_id: int = 1) -> list[int]:
    ours = [made for made in messages if made.user_id == user_id and made.holds(condition)]
    return [made.message_id for made in sorted(ours, key=lambda made: (made.minutes, made.message_id), reverse=True)]


@settings(max_examples=60, deadline=None)
@given(st.lists(contents, max_size=12).map(mailbox), st.lists(conditions, min_size=1, max_size=6))
@example(
    mailbox([{"text": ("東京都",)}, {}, {"text": ("京",)}, {}, {"text": ("都 a",)}]), [Contains(ANYWHERE, ("京",))]
)
@example(mailbox([{"to": ("a b", "c d")}, {}, {"to": ("b c",)}]), [Contains(("to",), ("b", "c"))])
def test_a_split_finds_the_messages_that_the_definition_selects(messages: list[Made], asked: list[Condition]) -> None:
    with opened(split(messages)) as found:
        for condition in asked:
            for user_id in (1, 2, 3):
                assert newest(found, condition, user_id) == truth(messages, condition, user_id)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(contents, max_size=24).map(mailbox),
    st.lists(st.integers(0, 24), max_size=10).map(sorted),
    st.lists(conditions, min_size=1, max_size=4),
)
def test_a_merged_split_finds_the_matches_of_its_parts(
    messages: list[Made], cuts: list[int], asked: list[Condition]
) -> None:
    edges = [0, *(min(cut, len(messages)) for cut in cuts), len(messages)]
    parts = [split(messages[first:last]) for first, last in pairwise(edges)]
    merged = b"".join(builder.merge({str(number): reading(part) for number, part in enumerate(parts)}))
    again = b"".join(builder.merge({"merged": reading(merged), "more": reading(split([Made(99, user_id=9)]))}))

    for data in (merged, again):
        with opened(data) as found:
            for condition in asked:
                assert newest(found, condition) == truth(messages, condition)


def test_a_merge_names_the_part_that_is_damaged() -> None:
    good, bad = split([Made(1)]), bytearray(split([Made(2)]))
    bad[10] ^= 0x55
    with pytest.raises(FileDamaged) as raised:
        list(builder.merge({"good": reading(good), "bad": reading(bytes(bad))}))
    assert raised.value.name == "bad"


def test_many_parts_become_few_without_looking_at_words() -> None:
    parts = {str(number): reading(split([Made(number, {"text": ("word",)})])) for number in range(20)}
    with opened(b"".join(builder.merge(parts))) as found:
        assert found.parts < 8
        assert len(newest(found, Contains(("text",), ("word",)))) == 20


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 50])
def test_pages_follow_one_another_though_many_messages_are_of_one_moment(limit: int) -> None:
    messages = [Made(number, {"text": ("word",)}, minutes=number // 10) for number in range(-15, 25)]
    with opened(split(messages)) as found:
        ids: list[int] = []
        position = asked().start
        while page := found.newest(asked(Contains(("text",), ("word",)), start=position), limit):
            ids += [hit.message_id for hit in page]
            position = PageCursor(page[-1].received_at, page[-1].message_id)

    assert ids == list(range(24, -16, -1))


@pytest.mark.parametrize(("microseconds", "ids"), [(0, []), (1, [1]), (1000, [1])])
def test_times_are_bounds_to_the_microsecond(microseconds: int, ids: list[int]) -> None:
    at = NOON + timedelta(microseconds=microseconds)
    start = PageCursor(at, -(1 << 63))
    with opened(split([Made(1)])) as found:
        assert [hit.message_id for hit in found.newest(asked(start=start), 5)] == ids
        assert [hit.message_id for hit in found.newest(asked(after_at=at), 5)] == [1] * (microseconds == 0)


def test_an_index_of_something_else_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(FileDamaged):
        Split("a.split", tmp_path)
