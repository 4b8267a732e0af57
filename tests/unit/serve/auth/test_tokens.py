"""serve/auth/tokens.py"""

import pytest

from serve.auth import api_keys
from serve.auth.authentication import principal_of
from serve.auth.tokens import SecretRefused, TokenService
from tests.unit.serve.fakes import ANN, MemoryTokenStore, access_tokens


@pytest.fixture
def store() -> MemoryTokenStore:
    return MemoryTokenStore()


@pytest.fixture
def key(store: MemoryTokenStore) -> str:
    new = api_keys.new_key()
    store.keys[new.key_id, new.secret_hash] = ANN
    return new.text.get_secret_value()


def test_a_key_gives_tokens_for_its_user(store: MemoryTokenStore, key: str) -> None:
    tokens = access_tokens()

    grant = TokenService(store, tokens, 60).by_key(key)

    assert principal_of(tokens.verify(grant.access_token)) == ANN
    assert grant.expires_in == 900
    assert grant.refresh_token.encode() not in b"".join(store.tokens)


def test_a_refresh_token_gives_the_next_one_of_its_family(store: MemoryTokenStore, key: str) -> None:
    desk = TokenService(store, access_tokens(), 60)
    first = desk.by_key(key)
    [(_, family, key_id)] = store.tokens.values()

    second = desk.by_refresh_token(first.refresh_token)

    assert second.refresh_token != first.refresh_token
    assert list(store.tokens.values()) == [(ANN, family, key_id)]


def test_a_second_use_ends_the_family(store: MemoryTokenStore, key: str) -> None:
    desk = TokenService(store, access_tokens(), 60)
    first = desk.by_key(key)
    second = desk.by_refresh_token(first.refresh_token)

    with pytest.raises(SecretRefused):
        desk.by_refresh_token(first.refresh_token)
    with pytest.raises(SecretRefused):
        desk.by_refresh_token(second.refresh_token)


@pytest.mark.parametrize("text", ["", "gbr_", "x" * 47, "gbr_" + "ä" * 43])
def test_what_is_no_secret_of_ours_is_refused_unasked(text: str) -> None:
    class Unasked(MemoryTokenStore):
        def use_refresh_token(self, token_hash: bytes, successor: bytes | None = None, ttl_s: float = 0.0) -> None:
            raise AssertionError("asked")

    desk = TokenService(Unasked(), access_tokens(), 60)

    with pytest.raises(SecretRefused):
        desk.by_key(text)
    with pytest.raises(SecretRefused):
        desk.by_refresh_token(text)


def test_a_key_is_no_refresh_token(store: MemoryTokenStore, key: str) -> None:
    desk = TokenService(store, access_tokens(), 60)

    with pytest.raises(SecretRefused):
        desk.by_refresh_token(key)
    with pytest.raises(SecretRefused):
        desk.by_key(desk.by_key(key).refresh_token)
