"""A position survives its journey through a client, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.replication.session_token import MOST_CHARACTERS, MOST_MARKS, InvalidPosition, Mark, Seen

_MARKS = st.builds(Mark, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))


@given(st.lists(_MARKS, max_size=2 * MOST_MARKS))
def test_a_token_decodes_to_what_it_was_made_of(marks: list[Mark]) -> None:
    seen = Seen.of(marks)
    token = seen.encode()
    assert Seen.decode(token) == seen
    assert len(token) <= MOST_CHARACTERS


@given(st.text(max_size=80) | st.text("ABab12-_=.", max_size=60).map("1.".__add__))
def test_any_other_text_is_refused_or_is_the_token_of_what_it_decodes_to(text: str) -> None:
    try:
        seen = Seen.decode(text)
    except InvalidPosition:
        return
    assert seen.encode() == text


@pytest.mark.parametrize("token", ["", "2.", "1.A", "1.AAAA", "1." + "A" * 5000, "1.ü", "1.A A", "1.\n", "0/3000028"])
def test_a_malformed_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidPosition):
        Seen.decode(token)


def test_a_cut_token_is_refused() -> None:
    token = Seen.of([Mark(1, 1, 5), Mark(2, 1, 5)]).encode()
    for length in range(3, len(token)):
        try:
            assert Seen.decode(token[:length]).marks == (Mark(1, 1, 5),)
        except InvalidPosition:
            continue


def test_the_newest_mark_of_a_server_wins_and_a_later_timeline_before_a_later_place() -> None:
    seen = Seen().and_(Mark(7, 1, 900)).and_(Mark(7, 2, 100)).and_(Mark(7, 1, 950))
    assert seen.marks == (Mark(7, 2, 100),)
    assert seen.of_system(8) is None


def test_a_full_token_takes_one_more_mark_in() -> None:
    seen = Seen.of(Mark(number, 1, 1) for number in range(MOST_MARKS)).and_(Mark(999, 1, 1))
    assert len(seen.marks) == MOST_MARKS
    assert seen.of_system(999) == Mark(999, 1, 1)
