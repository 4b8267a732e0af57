"""serve/auth/api_keys.py"""

import hashlib

import pytest

from serve.auth import api_keys


def test_a_new_key_parses_to_what_is_stored() -> None:
    key = api_keys.new_key()

    assert api_keys.parse(key.text.get_secret_value()) == (key.key_id, key.secret_hash)
    assert key.secret_hash == hashlib.sha256(key.text.get_secret_value().encode()).digest()


def test_no_two_keys_are_alike() -> None:
    keys = [api_keys.new_key() for _ in range(100)]

    assert len({key.key_id for key in keys}) == len({key.secret_hash for key in keys}) == 100


def test_a_key_does_not_show_its_secret_when_printed() -> None:
    key = api_keys.new_key()

    assert key.text.get_secret_value() not in repr(key)


def _damaged(text: str) -> list[str]:
    return [
        *("", "gbm_", "gbm__", text[:-1], text + "x", text.upper(), text.replace("gbm_", "gbr_")),
        *(" " + text, text + "\n", text.replace("_", "-"), text[:-1] + "ä", text[:-1] + "\x00", "gbm_" + "a" * 54),
    ]


@pytest.mark.parametrize("number", range(13))
def test_what_has_not_the_form_of_a_key_is_none(number: int) -> None:
    text = _damaged(api_keys.new_key().text.get_secret_value())[number]

    assert api_keys.parse(text) is None
