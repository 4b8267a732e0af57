"""serve/mail/emails.py and serve/mail/models.py"""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from serve.auth.authentication import AccessTokens
from serve.config import ServeConfig
from serve.gateway import application
from serve.http.executor import BlockingExecutor
from serve.http.response_cache import ResponseCache
from serve.mail import attachments, content, emails
from serve.mail.answers import MailAnswers, MessageAnswers
from storage.mailbox.message import MessageUnparsable
from storage.model.mail_query import MailQuery
from storage.query.errors import InvalidQuery
from tests.unit.serve.fakes import (
    ANN,
    BOB,
    HereReading,
    MemoryReader,
    MemoryReaders,
    access_tokens,
    authentication,
    client,
    email,
    header,
)

_SUMMARY = {
    *("id", "thread_id", "date", "from", "to", "cc", "subject", "snippet", "labels", "size_bytes"),
    *("has_attachment", "deleted_at", "defects"),
}
_RAW = b"Subject: <script>alert(1)</script>\r\n\r\n\xff\x00"


@pytest.fixture
def tokens() -> AccessTokens:
    return access_tokens()


@pytest.fixture
def readers() -> MemoryReaders:
    return MemoryReaders({ANN.user_id: MemoryReader([(email(number), _RAW) for number in range(1, 6)])})


@pytest.fixture
async def http(tokens: AccessTokens, readers: MemoryReaders) -> AsyncIterator[httpx.AsyncClient]:
    threads = BlockingExecutor(2)
    single = MessageAnswers(readers, ResponseCache(1 << 20), threads)
    messages = content.MessageContent(readers, threads, single, HereReading())
    app = application(
        "emails",
        [
            emails.router(MailAnswers(readers, ResponseCache(1 << 20), threads), single),
            content.router(messages),
            attachments.router(messages),
        ],
        ServeConfig(),
        authentication(tokens),
    )
    async with client(app) as http:
        http.headers.update(header(tokens))
        yield http


async def test_a_list_has_the_promised_fields(http: httpx.AsyncClient) -> None:
    document = (await http.get("/api/v1/emails")).json()

    assert set(document) == {"items", "next_cursor"}
    assert set(document["items"][0]) == _SUMMARY
    assert document["items"][0]["date"] == "2027-01-15T08:00:05Z"
    assert document["next_cursor"] is None


async def test_a_list_is_followed_to_its_end(http: httpx.AsyncClient) -> None:
    page = (await http.get("/api/v1/emails", params={"limit": 2})).json()
    found = [item["id"] for item in page["items"]]
    while page["next_cursor"]:
        page = (await http.get("/api/v1/emails", params={"limit": 2, "cursor": page["next_cursor"]})).json()
        found += [item["id"] for item in page["items"]]

    assert found == ["5", "4", "3", "2", "1"]


async def test_every_parameter_reaches_the_reader(http: httpx.AsyncClient, readers: MemoryReaders) -> None:
    query = "q=from%3Aann&label=INBOX&label=Label_1&limit=7&include_spam_trash=true&include_deleted=true"

    await http.get(f"/api/v1/emails?{query}&as_of=2026-10-01T12:00:00%2B02:00")
    await http.get("/api/v1/emails/1?as_of=2026-10-01T10:00:00Z")

    moment = datetime(2026, 10, 1, 10, tzinfo=UTC)
    assert readers.readers[ANN.user_id].asked == [
        (MailQuery("from:ann", ("INBOX", "Label_1"), True, True, moment), 7, None),
        (1, moment),
    ]


@pytest.mark.parametrize(
    "params",
    [
        *({"limit": limit} for limit in ("0", "501", "x", "-1")),
        *({"q": "a\x00b"}, {"q": "a" * 2001}, {"label": "a\x00"}, {"label": ""}, {"label": ["a"] * 21}),
        {"cursor": "a" * 201},
        {"sort": "size"},
        {"include_deleted": "maybe"},
        *({"as_of": moment} for moment in ("yesterday", "2026-10-01T12:00:00", "2026-10-01")),
    ],
)
async def test_parameters_out_of_bounds_are_refused(http: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await http.get("/api/v1/emails", params=params)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation")


async def test_results_are_ordered_by_relevance_on_request_and_paginated(http: httpx.AsyncClient) -> None:
    params: dict[str, str | int] = {"q": "hello", "sort": "relevance", "limit": 2}
    page = (await http.get("/api/v1/emails", params=params)).json()
    ids = [item["id"] for item in page["items"]]
    while page["next_cursor"]:
        page = (await http.get("/api/v1/emails", params={**params, "cursor": page["next_cursor"]})).json()
        ids += [item["id"] for item in page["items"]]

    assert ids == ["1", "2", "3", "4", "5"]


async def test_highlights_are_returned_as_plain_text_on_request(http: httpx.AsyncClient) -> None:
    page = (await http.get("/api/v1/emails", params={"q": "hello", "highlights": "true"})).json()

    assert page["items"][-1]["highlights"] == [{"field": "subject", "text": "<b>hello", "offset": 0, "hits": [[3, 8]]}]
    assert page["items"][0]["highlights"] == []
    assert "highlights" not in (await http.get("/api/v1/emails")).json()["items"][0]


@pytest.mark.parametrize("cursor", ["x", "ä", "AAAA", "OTk5OTk5OTk5OTk5OTk5OTk5OjE"])
async def test_an_invalid_cursor_is_refused(http: httpx.AsyncClient, cursor: str) -> None:
    answer = await http.get("/api/v1/emails", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_a_search_that_is_not_understood_says_where(http: httpx.AsyncClient, readers: MemoryReaders) -> None:
    readers.readers[ANN.user_id].failure = InvalidQuery("'foo' is unknown", 3)

    answer = await http.get("/api/v1/emails", params={"q": "a foo:b"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")
    assert "character 3" in answer.json()["detail"]


async def test_one_message_has_its_content_too(http: httpx.AsyncClient) -> None:
    document = (await http.get("/api/v1/emails/3")).json()

    more = {"text", "headers", "attachments", "sha256", "analysis", "acquaintance", "classification_labels"}
    assert set(document) == _SUMMARY | more
    assert document["headers"] == [{"name": "Subject", "value": "Hello"}, {"name": "X-Odd", "value": "1"}]
    assert document["analysis"] == {"language": {"version": 1, "code": "en", "sure": 0.5}}
    assert document["attachments"][0]["filename"] == "a.pdf"


async def test_raw_bytes_are_exact_and_never_rendered(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/emails/3/raw")

    assert answer.content == _RAW
    assert answer.headers["etag"] == f'"{hashlib.sha256(_RAW).hexdigest()}"'
    assert answer.headers["content-type"] == "message/rfc822"
    assert answer.headers["content-disposition"] == 'attachment; filename="3.eml"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_bytes_that_a_client_has_are_not_sent_again(http: httpx.AsyncClient) -> None:
    tag = (await http.get("/api/v1/emails/3/raw")).headers["etag"]

    again = await http.get("/api/v1/emails/3/raw", headers={"If-None-Match": f'"other", {tag}'})
    changed = await http.get("/api/v1/emails/3/raw", headers={"If-None-Match": '"other"'})

    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200


@pytest.mark.parametrize("name", ["9", "xyz", "-1", "1" * 17, "%00", "%C3%A9", "1.5", ".."])
@pytest.mark.parametrize("tail", ["", "/raw"])
async def test_an_id_that_names_nothing_is_not_found(http: httpx.AsyncClient, name: str, tail: str) -> None:
    answer = await http.get(f"/api/v1/emails/{name}{tail}")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


async def test_anothers_messages_are_not_found(http: httpx.AsyncClient, tokens: AccessTokens) -> None:
    bob = header(tokens, BOB)

    listed = await http.get("/api/v1/emails", headers=bob)
    answers = [await http.get(f"/api/v1/emails/{name}", headers=bob) for name in ("3", "3/raw")]

    assert listed.json()["items"] == []
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_a_message_that_must_not_be_parsed_is_downloaded_only(
    http: httpx.AsyncClient, readers: MemoryReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object, message_id: int, as_of: datetime | None = None) -> bytes | None:
        raise MessageUnparsable(message_id)

    monkeypatch.setattr(MemoryReader, "parsable", refused)

    raw = await http.get("/api/v1/emails/1/raw")
    shown = [await http.get(f"/api/v1/emails/1/{path}") for path in ("html", "parts/1")]

    assert raw.content == _RAW
    assert [(one.status_code, one.json()["code"]) for one in shown] == [(422, "message_unparsable")] * 2
