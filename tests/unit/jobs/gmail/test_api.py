"""Requests are spelled as Google's own client spells them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc

from jobs.gmail.api import GmailApi
from jobs.gmail.errors import EndpointUnsafe

ENDPOINT = "https://gmail.googleapis.com"
FIELDS = "id,threadId,labelIds,historyId,internalDate,sizeEstimate,snippet,raw,classificationLabelValues"


@pytest.fixture(scope="module")
def api() -> GmailApi:
    return GmailApi(ENDPOINT)


@pytest.fixture(scope="module")
def users() -> Any:
    return build_from_document(get_static_doc("gmail", "v1"), http=object()).users()


@pytest.mark.parametrize("hex_id", ["18c5d3a7b9e0f123", "1", "../../drafts", "a/b?c#d e", "é", "%2e"])
def test_a_get_by_substitution_equals_the_librarys_own(api: GmailApi, users: Any, hex_id: str) -> None:
    theirs = users.messages().get(userId="me", id=hex_id, format="raw", fields=FIELDS)

    ours = api.get(hex_id)

    assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.uri, theirs.body)


def test_a_batch_holds_one_get_per_id_with_the_id_as_content_id(api: GmailApi, users: Any) -> None:
    call = api.get_batch(["a1", "b2"])

    assert call.method == "POST"
    assert call.url == ENDPOINT + "/batch/gmail/v1"
    assert call.body is not None
    for hex_id in ("a1", "b2"):
        uri = users.messages().get(userId="me", id=hex_id, format="raw", fields=FIELDS).uri
        line = f"GET {uri.removeprefix(ENDPOINT)} HTTP/1.1\r\n"
        assert f"Content-ID: <{hex_id}>\r\n\r\n{line}".encode() in call.body
    boundary = call.headers["Content-Type"].partition('boundary="')[2].rstrip('"')
    assert call.body.count(f"--{boundary}".encode()) == 3
    assert call.body.endswith(f"--{boundary}--\r\n".encode())


def test_an_id_cannot_break_out_of_its_part(api: GmailApi) -> None:
    body = api.get_batch(["a\r\n\r\nDELETE /x HTTP/1.1"]).body

    assert body is not None
    assert b"\nDELETE" not in body


@pytest.mark.parametrize(
    ("page_token", "label_ids"), [(None, ()), ("a+b/c=&d", ("INBOX",)), ("1", ("Label_1", "é & co"))]
)
def test_a_listing_asks_for_spam_and_trash_and_its_labels(
    api: GmailApi, page_token: str | None, label_ids: Sequence[str]
) -> None:
    call = api.list_messages(page_token, label_ids, True, 500)

    assert call.url.startswith(ENDPOINT + "/gmail/v1/users/me/messages?")
    assert "includeSpamTrash=true" in call.url
    assert "maxResults=500" in call.url
    assert call.url.count("labelIds=") == len(label_ids)
    if page_token:
        assert "pageToken=" + quote(page_token, safe="") in call.url


def test_history_profile_and_labels_have_their_addresses(api: GmailApi) -> None:
    assert api.profile().url.startswith(ENDPOINT + "/gmail/v1/users/me/profile?")
    assert api.labels().url.startswith(ENDPOINT + "/gmail/v1/users/me/labels?")
    history = api.history(123, "next").url
    assert history.startswith(ENDPOINT + "/gmail/v1/users/me/history?")
    assert "startHistoryId=123" in history
    assert "pageToken=next" in history


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8080", "http://127.0.0.1:8080/", "https://proxy.example.com"])
def test_another_endpoint_is_used_for_everything(endpoint: str) -> None:
    api = GmailApi(endpoint)

    base = endpoint.rstrip("/")
    assert api.profile().url.startswith(base + "/gmail/v1/")
    assert api.get("1f").url.startswith(base + "/gmail/v1/users/me/messages/1f?")
    assert api.get_batch(["1f"]).url == base + "/batch/gmail/v1"


def test_an_endpoint_in_the_clear_is_refused() -> None:
    with pytest.raises(EndpointUnsafe):
        GmailApi("http://gmail.example.com")
