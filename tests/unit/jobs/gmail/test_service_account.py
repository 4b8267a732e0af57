"""A service account's file and the assertions that it signs."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from jobs.gmail.errors import CredentialsUnusable, EndpointUnsafe
from jobs.gmail.service_account import MAIL_SCOPE, ServiceAccount

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def pem(key: Any) -> str:
    form = serialization.PrivateFormat.PKCS8
    text: str = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    return text


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def document(key: rsa.RSAPrivateKey, **changes: Any) -> dict[str, Any]:
    return {
        "type": "service_account",
        "client_email": "backup@project.iam.gserviceaccount.com",
        "client_id": "1234567890",
        "private_key_id": "key-1",
        "private_key": pem(key),
        "token_uri": "https://oauth2.googleapis.com/token",
        **changes,
    }


def test_an_assertion_says_who_acts_for_whom_and_for_how_long(key: rsa.RSAPrivateKey) -> None:
    account = ServiceAccount.parse(orjson.dumps(document(key)))

    token = jwt.decode(
        account.assertion("ada@example.com", MAIL_SCOPE, "https://token.example", NOW),
        RSAKey.import_key(pem(key)),
        algorithms=["RS256"],
    )

    claims = token.claims
    assert (token.header["alg"], token.header["kid"]) == ("RS256", "key-1")
    assert (claims["iss"], claims["sub"]) == ("backup@project.iam.gserviceaccount.com", "ada@example.com")
    assert (claims["scope"], claims["aud"]) == (MAIL_SCOPE, "https://token.example")
    assert claims["exp"] - claims["iat"] == 3600 and claims["iat"] < NOW.timestamp() < claims["exp"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"type": "authorized_user"}, "no service account"),
        ({"client_email": None}, "client_email"),
        ({"client_id": ""}, "client_id"),
        ({"private_key": "not a key"}, "private key"),
        ({"private_key": pem(ec.generate_private_key(ec.SECP256R1()))}, "private key"),
        ({"token_uri": 7}, "token_uri"),
    ],
)
def test_a_file_that_is_of_no_use_is_told_in_a_sentence(
    key: rsa.RSAPrivateKey, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(CredentialsUnusable, match=told):
        ServiceAccount.parse(orjson.dumps(document(key, **changes)))


def test_an_assertion_is_sent_to_no_unsafe_address(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(EndpointUnsafe):
        ServiceAccount.parse(orjson.dumps(document(key, token_uri="http://example.com/token")))


def test_the_key_is_in_no_text_of_the_account(key: rsa.RSAPrivateKey) -> None:
    account = ServiceAccount.parse(orjson.dumps(document(key)))

    assert "PRIVATE KEY" not in f"{account} {account!r}"
