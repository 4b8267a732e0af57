"""The position in a list, as a token that clients hold."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.results import InvalidCursor, PageCursor

TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda at: at - timedelta(microseconds=at.microsecond % 1000))


@given(TIMES, st.integers(-(1 << 63), (1 << 63) - 1))
def test_a_position_survives_its_token(received_at: datetime, message_id: int) -> None:
    position = PageCursor(received_at, message_id)

    assert PageCursor.decode(position.encode()) == position


def test_a_token_needs_no_escaping_in_a_url() -> None:
    token = PageCursor(datetime(2024, 5, 1, 8, 0, 0, 123000, UTC), -1).encode()

    assert token.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=100) | st.binary(max_size=60).map(lambda data: data.hex()))
def test_a_hostile_token_is_a_position_or_refused(token: str) -> None:
    try:
        position = PageCursor.decode(token)
    except InvalidCursor as error:
        assert token not in str(error) or len(token) < 4
    else:
        assert position.received_at.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "1", "1:2:3", "a:b", "1:9223372036854775808", "99999999999999999:1", "9" * 5000 + ":1", "1:nan"]
)
def test_a_token_that_no_list_gave_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        PageCursor.decode(base64.urlsafe_b64encode(text.encode()).decode())
