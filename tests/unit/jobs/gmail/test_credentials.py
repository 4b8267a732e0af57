"""Authorized-user files, and where a grant may be sent."""

from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from jobs.gmail.config import GOOGLE_TOKEN_URI, GmailConfig
from jobs.gmail.credentials import AuthorizedUser
from jobs.gmail.errors import CredentialsUnusable, EndpointUnsafe

FILE: dict[str, Any] = {
    "type": "authorized_user",
    "client_id": "client",
    "client_secret": "hush-secret",
    "refresh_token": "hush-refresh",
}


def parse(**changes: Any) -> AuthorizedUser:
    document = {key: value for key, value in (FILE | changes).items() if value is not ...}
    return AuthorizedUser.parse("ann@example.com", orjson.dumps(document))


def test_a_file_is_read_completely() -> None:
    assert parse(token_uri="https://oauth.example.com/token") == AuthorizedUser(
        "ann@example.com",
        "client",
        SecretStr("hush-secret"),
        SecretStr("hush-refresh"),
        "https://oauth.example.com/token",
    )


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(parse())
    assert "hush" not in str(parse())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"installed": {"client_id": "x"}}', "OAuth client's file"),
        (b'{"web": {}}', "OAuth client's file"),
        (b'{"type": "service_account"}', "add-domain"),
        (b"{}", "client_id"),
    ],
)
def test_another_file_is_refused_with_its_reason(content: bytes, words: str) -> None:
    with pytest.raises(CredentialsUnusable, match=words):
        AuthorizedUser.parse("ann@example.com", content)


@pytest.mark.parametrize("field", ["client_id", "client_secret", "refresh_token"])
@pytest.mark.parametrize("value", [..., "", None, 5, "x" * 10_000])
def test_a_missing_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(CredentialsUnusable, match=field):
        parse(**{field: value})


@pytest.mark.parametrize("token_uri", ["http://evil.example.com/token", "ftp://x/", "nonsense"])
def test_a_file_cannot_send_the_grant_to_an_unsafe_address(token_uri: str) -> None:
    with pytest.raises(EndpointUnsafe):
        parse(token_uri=token_uri)


def test_a_token_uri_that_is_not_text_is_refused() -> None:
    with pytest.raises(CredentialsUnusable, match="token_uri"):
        parse(token_uri=5)


def test_the_configuration_wins_over_the_file_and_the_file_over_google() -> None:
    silent, named = parse(), parse(token_uri="http://127.0.0.1:9/token")
    configured = GmailConfig(token_uri="https://login.example.com/token")

    assert GmailConfig().token_address(silent.token_uri) == GOOGLE_TOKEN_URI
    assert GmailConfig().token_address(named.token_uri) == "http://127.0.0.1:9/token"
    assert configured.token_address(named.token_uri) == "https://login.example.com/token"


def test_a_configured_address_in_the_clear_is_refused() -> None:
    with pytest.raises(EndpointUnsafe):
        GmailConfig(token_uri="http://login.example.com/token").token_address(parse().token_uri)
