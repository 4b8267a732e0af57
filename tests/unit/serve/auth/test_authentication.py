"""serve/auth/authentication.py"""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from serve.auth.authentication import AccessTokens, TokenInvalid, principal_of
from serve.auth.signing import SigningKeys
from serve.config import TokenConfig
from tests.unit.serve.fakes import ANN, NOW, Clock, MemoryKeyStore, access_tokens, sealer


def _encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, claims, signature = token.split(".")
    padded = [part + "=" * (-len(part) % 4) for part in (header, claims)]
    return json.loads(base64.urlsafe_b64decode(padded[0])), json.loads(base64.urlsafe_b64decode(padded[1])), signature


class Desk:
    """Tokens, and the key beneath them to forge with."""

    def __init__(self, config: TokenConfig | None = None) -> None:
        self.clock, self.store = Clock(), MemoryKeyStore()
        self.keys = SigningKeys(self.store, sealer())
        self.tokens = AccessTokens(self.keys, config or TokenConfig(), self.clock)

    def signed(self, **changes: object) -> str:
        """A properly signed token with other claims; None removes one."""
        _, claims, _ = _parts(self.tokens.issue(ANN))
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        key = self.keys.current()
        return jwt.encode({"alg": "Ed25519", "kid": key.kid}, claims, key, algorithms=["Ed25519"])


def test_a_token_says_who_it_speaks_for() -> None:
    desk = Desk()

    claims = desk.tokens.verify(desk.tokens.issue(ANN))

    assert principal_of(claims) == ANN
    assert (claims["iss"], claims["aud"]) == ("gmail-backup-manager", "gmail-backup-manager")
    assert claims["exp"] - claims["iat"] == 900


def test_a_token_ends() -> None:
    desk = Desk()
    token = desk.tokens.issue(ANN)

    desk.clock.now += 899
    assert desk.tokens.verify(token)
    desk.clock.now += 10
    with pytest.raises(TokenInvalid):
        desk.tokens.verify(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"aud": "another-service"},
        {"aud": []},
        {"exp": NOW - 60},
        {"exp": "never"},
        {"nbf": NOW + 60},
        *({name: None} for name in ("iss", "aud", "exp", "nbf", "sub")),
    ],
)
def test_claims_that_are_not_ours_are_refused(changes: dict[str, object]) -> None:
    desk = Desk()

    with pytest.raises(TokenInvalid):
        desk.tokens.verify(desk.signed(**changes))


@pytest.mark.parametrize(
    "changes", [{"sub": "x"}, {"shard": "0"}, {"shard": None}, {"email": None}, {"role": 1}, {"role": None}]
)
def test_claims_of_another_version_speak_for_nobody(changes: dict[str, object]) -> None:
    desk = Desk()
    claims = desk.tokens.verify(desk.signed(**changes))

    with pytest.raises(TokenInvalid):
        principal_of(claims)


def _alg_none(desk: Desk) -> str:
    header, claims, _ = _parts(desk.tokens.issue(ANN))
    return f"{_encode({**header, 'alg': 'none'})}.{_encode(claims)}."


def _no_signature(desk: Desk) -> str:
    return desk.tokens.issue(ANN).rsplit(".", 1)[0] + "."


def _hmac_with_the_public_key(desk: Desk, algorithm: str = "HS256") -> str:
    key = desk.keys.current()
    header, claims, _ = _parts(desk.tokens.issue(ANN))
    signed = f"{_encode({**header, 'alg': algorithm})}.{_encode(claims)}"
    digest = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _hmac_that_says_ed25519(desk: Desk) -> str:
    return _hmac_with_the_public_key(desk, "Ed25519")


def _another_key(desk: Desk) -> str:
    _, claims, _ = _parts(desk.tokens.issue(ANN))
    kid = desk.keys.current().kid
    key = OKPKey.generate_key("Ed25519")
    return jwt.encode({"alg": "Ed25519", "kid": kid}, claims, key, algorithms=["Ed25519"])


def _key_in_the_header(desk: Desk) -> str:
    _, claims, _ = _parts(desk.tokens.issue(ANN))
    key = OKPKey.generate_key("Ed25519")
    header = {"alg": "Ed25519", "kid": "mine", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key, algorithms=["Ed25519"])


def _no_kid(desk: Desk) -> str:
    _, claims, _ = _parts(desk.tokens.issue(ANN))
    return jwt.encode({"alg": "Ed25519"}, claims, desk.keys.current(), algorithms=["Ed25519"])


def _kid_that_is_no_text(desk: Desk) -> str:
    header, claims, signature = _parts(desk.tokens.issue(ANN))
    return f"{_encode({**header, 'kid': ['a']})}.{_encode(claims)}.{signature}"


def _another_user(desk: Desk) -> str:
    header, claims, signature = _parts(desk.tokens.issue(ANN))
    return f"{_encode(header)}.{_encode({**claims, 'sub': '2'})}.{signature}"


def _claims_that_are_a_list(desk: Desk) -> str:
    header, _, signature = _parts(desk.tokens.issue(ANN))
    return f"{_encode(header)}.{_encode([1])}.{signature}"


@pytest.mark.parametrize(
    "forge",
    [
        _alg_none,
        _no_signature,
        _hmac_with_the_public_key,
        _hmac_that_says_ed25519,
        _another_key,
        _key_in_the_header,
        _no_kid,
        _kid_that_is_no_text,
        _another_user,
        _claims_that_are_a_list,
        lambda desk: "",
        lambda desk: "a.b.c",
        lambda desk: "..",
        lambda desk: "ä.ö.ü",
        lambda desk: "." * 100_000,
        lambda desk: desk.tokens.issue(ANN) + "x",
        lambda desk: desk.tokens.issue(ANN) + "." + "x",
    ],
)
def test_a_forged_token_is_refused(forge: Callable[[Desk], str]) -> None:
    desk = Desk()
    token = forge(desk)

    desk.tokens.is_ready(token)
    with pytest.raises(TokenInvalid):
        desk.tokens.verify(token)


def test_a_token_of_another_cluster_is_refused() -> None:
    with pytest.raises(TokenInvalid):
        access_tokens().verify(access_tokens().issue(ANN))


def test_verifying_reads_the_key_store_only_once() -> None:
    desk = Desk()
    token = desk.tokens.issue(ANN)
    other = AccessTokens(SigningKeys(desk.store, sealer()), TokenConfig(), desk.clock)

    assert not other.is_ready(token)
    other.verify(token)
    reads = desk.store.reads
    assert other.is_ready(token)
    other.verify(token)

    assert desk.store.reads == reads
