"""A position survives its journey through a client, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.replication.session_token import (
    MOST_CHARACTERS,
    MOST_POSITIONS,
    InvalidSessionToken,
    SessionToken,
    WalPosition,
)

_POSITIONS = st.builds(WalPosition, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))


@given(st.lists(_POSITIONS, max_size=2 * MOST_POSITIONS))
def test_encoding_and_decoding_a_token_preserves_it(positions: list[WalPosition]) -> None:
    seen = SessionToken.of(positions)
    token = seen.encode()
    assert SessionToken.decode(token) == seen
    assert len(token) <= MOST_CHARACTERS


@given(st.text(max_size=80) | st.text("ABab12-_=.", max_size=60).map("1.".__add__))
def test_any_other_text_is_refused_or_is_the_token_of_what_it_decodes_to(text: str) -> None:
    try:
        seen = SessionToken.decode(text)
    except InvalidSessionToken:
        return
    assert seen.encode() == text


@pytest.mark.parametrize("token", ["", "2.", "1.A", "1.AAAA", "1." + "A" * 5000, "1.ü", "1.A A", "1.\n", "0/3000028"])
def test_a_malformed_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidSessionToken):
        SessionToken.decode(token)


def test_a_cut_token_is_refused() -> None:
    token = SessionToken.of([WalPosition(1, 1, 5), WalPosition(2, 1, 5)]).encode()
    for length in range(3, len(token)):
        try:
            assert SessionToken.decode(token[:length]).positions == (WalPosition(1, 1, 5),)
        except InvalidSessionToken:
            continue


def test_the_newest_mark_of_a_server_wins_and_a_later_timeline_before_a_later_place() -> None:
    seen = SessionToken().and_(WalPosition(7, 1, 900)).and_(WalPosition(7, 2, 100)).and_(WalPosition(7, 1, 950))
    assert seen.positions == (WalPosition(7, 2, 100),)
    assert seen.of_system(8) is None


def test_a_full_token_takes_one_more_mark_in() -> None:
    seen = SessionToken.of(WalPosition(number, 1, 1) for number in range(MOST_POSITIONS)).and_(WalPosition(999, 1, 1))
    assert len(seen.positions) == MOST_POSITIONS
    assert seen.of_system(999) == WalPosition(999, 1, 1)
