"""A login: the client's file, and the address of the consent page."""

from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import CredentialsUnusable, EndpointUnsafe
from jobs.gmail.login import GOOGLE_AUTH_URI, Login, OAuthClient

FIELDS = {"client_id": "id", "client_secret": "hidden"}


def client(**fields: object) -> OAuthClient:
    return OAuthClient.parse(orjson.dumps({"installed": FIELDS | fields}))


def login() -> Login:
    return Login(client(), GmailConfig(), "anna@example.com", "http://127.0.0.1:4711/")


def test_a_client_without_addresses_is_googles() -> None:
    assert client().auth_uri == GOOGLE_AUTH_URI
    assert GmailConfig().token_address(client().token_uri) == "https://oauth2.googleapis.com/token"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "not the file of an OAuth client"),
        (b'{"type": "service_account"}', "not the file of an OAuth client"),
        (b'{"installed": 7}', "not the file of an OAuth client"),
        (b'{"installed": {"client_id": "id"}}', "client_secret"),
        (b'{"installed": {"client_id": 7}}', "client_id"),
        (b'{"installed": {"client_id": "' + b"x" * 3000 + b'"}}', "client_id"),
    ],
)
def test_another_file_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CredentialsUnusable, match=reason):
        OAuthClient.parse(content)


def test_a_client_that_would_send_secrets_in_the_clear_is_refused() -> None:
    with pytest.raises(EndpointUnsafe):
        client(token_uri="http://example.com/token")


def test_the_page_is_asked_for_a_lasting_grant_to_read_one_mailbox() -> None:
    page = urlsplit(login().url)
    query = {name: values[0] for name, values in parse_qs(page.query).items()}

    assert page.scheme == "https"
    assert query["scope"] == "https://www.googleapis.com/auth/gmail.readonly"
    assert (query["access_type"], query["prompt"], query["login_hint"]) == ("offline", "consent", "anna@example.com")
    assert query["code_challenge_method"] == "S256" and len(query["code_challenge"]) == 43
    assert "hidden" not in login().url


def test_no_two_logins_share_a_state_or_a_challenge() -> None:
    first, second = login(), login()

    assert first.state != second.state
    assert parse_qs(first.url)["code_challenge"] != parse_qs(second.url)["code_challenge"]
