"""Pushes through Pub/Sub: only our subscription's are believed, and all that they do is to make us look."""

import base64
import hmac
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from actors.decisions import Mode
from actors.remote.client import ShardUnavailable
from serve.assembly import Assembly
from serve.config import PushConfig, ServeConfig
from serve.settings import Settings
from storage.model.records import User
from tests.integration.serve.conftest import Archive, RecordingOwners

PATH = "/api/v1/push/gmail"
AUDIENCE, ACCOUNT = "https://backup.example/push", "pubsub@project.iam.gserviceaccount.com"


class Google:
    """The issuer: a key, its certificate, and an address that serves it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name, now = x509.Name([]), datetime.now(UTC)
        certificate = x509.CertificateBuilder(name, name, self.key.public_key(), 1, now, now + timedelta(days=1))
        self.certificate = certificate.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        self.reads, self.broken = 0, False
        google = self

        class Certificates(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                google.reads += 1
                body = b"oops" if google.broken else json.dumps({"key-1": google.certificate}).encode()
                self.send_response(500 if google.broken else 200)
                self.send_header("Cache-Control", "public, max-age=3600")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Certificates)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/certs"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, key: Any = None, header: dict[str, str] | None = None, **changes: Any) -> str:
        """A token of our subscription, but for `changes`."""
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
            **changes,
        }
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        header = {"alg": "RS256", "kid": "key-1", **(header or {})}
        return jwt.encode(header, claims, key or RSAKey.import_key(pem), algorithms=[header["alg"]])


@pytest.fixture(scope="module")
def google() -> Iterator[Google]:
    google = Google()
    yield google
    google.close()


def _config(google: Google, **changes: str) -> ServeConfig:
    push = {"audience": AUDIENCE, "service_account": ACCOUNT, "certificates_url": google.url, **changes}
    return ServeConfig(push=PushConfig(**push))


async def _client(archive: Archive, owners: RecordingOwners, config: ServeConfig) -> AsyncIterator[httpx.AsyncClient]:
    assembly = Assembly(Settings(archive.backup, config), owners)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(assembly.push()), base_url="http://gateway") as client:
        yield client
    assembly.close()


@pytest.fixture
async def http(archive: Archive, owners: RecordingOwners, google: Google) -> AsyncIterator[httpx.AsyncClient]:
    async for client in _client(archive, owners, _config(google)):
        yield client


@pytest.fixture
def ada(archive: Archive) -> User:
    return archive.add_user("ada@example.com")[0]


def pushed(email: Any = "ada@example.com") -> dict[str, Any]:
    data = base64.b64encode(json.dumps({"emailAddress": email, "historyId": 9}).encode()).decode()
    return {"message": {"data": data, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"}


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_push_of_our_subscription_has_the_mailbox_looked_at(
    http: httpx.AsyncClient, google: Google, owners: RecordingOwners, ada: User
) -> None:
    before = google.reads
    answers = [await http.post(PATH, json=pushed(), headers=bearer(google.token())) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [204] * 3
    assert owners.requests == [(ada, Mode.INCREMENTAL)] * 3
    assert google.reads == before + 1, "certificates are kept"


async def test_a_push_for_a_mailbox_that_is_not_ours_is_acknowledged(
    http: httpx.AsyncClient, google: Google, owners: RecordingOwners
) -> None:
    answer = await http.post(PATH, json=pushed("stranger@example.com"), headers=bearer(google.token()))

    assert (answer.status_code, owners.requests) == (204, [])


async def test_an_owner_that_does_not_answer_has_the_push_delivered_again(
    http: httpx.AsyncClient, google: Google, owners: RecordingOwners, ada: User
) -> None:
    owners.failure = ShardUnavailable(ada.shard_id, "restarting")

    assert (await http.post(PATH, json=pushed(), headers=bearer(google.token()))).status_code == 503


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://elsewhere.example"},
        {"iss": "https://evil.example"},
        {"email": "somebody@project.iam.gserviceaccount.com"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"exp": 1_000_000_000, "iat": 999_999_000},
    ],
    ids=lambda changes: "-".join(changes),
)
async def test_a_token_that_is_not_our_subscriptions_is_refused(
    http: httpx.AsyncClient, google: Google, owners: RecordingOwners, ada: User, changes: dict[str, Any]
) -> None:
    answer = await http.post(PATH, json=pushed(), headers=bearer(google.token(**changes)))

    assert (answer.status_code, answer.json()["code"], owners.requests) == (401, "push_refused", [])


async def test_a_forged_token_is_refused(
    http: httpx.AsyncClient, google: Google, owners: RecordingOwners, ada: User
) -> None:
    other = RSAKey.generate_key(2048)
    head, body, _ = google.token().split(".")
    unsigned, symmetric = _part(b'{"alg":"none","kid":"key-1"}'), _part(b'{"alg":"HS256","kid":"key-1"}')
    # Signed with what everybody knows, for whoever takes the certificate for a shared secret.
    digest = hmac.digest(google.certificate.encode(), f"{symmetric}.{body}".encode(), "sha256")
    tokens = [
        google.token(other),
        google.token(other, {"kid": "key-2"}),
        f"{symmetric}.{body}.{_part(digest)}",
        f"{unsigned}.{body}.",
        f"{head}.{body}.",
        "x" * 5000,
        "a.b.c",
        "",
    ]

    answers = [await http.post(PATH, json=pushed(), headers=bearer(token)) for token in tokens]

    assert [answer.status_code for answer in answers] == [401] * len(tokens)
    assert (await http.post(PATH, json=pushed())).status_code == 401
    assert owners.requests == []


@pytest.mark.parametrize(
    "body",
    [{}, {"message": {}}, {"message": {"data": "%%%"}}, {"message": {"data": "e30="}}, pushed(7), pushed("a" * 400)],
)
async def test_a_push_that_says_nothing_is_refused(
    http: httpx.AsyncClient, google: Google, owners: RecordingOwners, body: dict[str, Any]
) -> None:
    answer = await http.post(PATH, json=body, headers=bearer(google.token()))

    assert (answer.status_code, owners.requests) == (422, [])


async def test_a_body_beyond_all_bounds_is_refused(http: httpx.AsyncClient, google: Google) -> None:
    answer = await http.post(PATH, content=b"x" * (1 << 20), headers=bearer(google.token()))

    assert answer.status_code == 413


async def test_without_certificates_nobody_is_believed_and_the_push_comes_again(
    archive: Archive, owners: RecordingOwners, google: Google
) -> None:
    google.broken = True
    try:
        async for client in _client(archive, owners, _config(google)):
            answer = await client.post(PATH, json=pushed(), headers=bearer(google.token()))
            assert (answer.status_code, answer.json()["code"]) == (503, "certificates_unavailable")
    finally:
        google.broken = False
    assert owners.requests == []


async def test_no_pushes_are_taken_where_none_are_configured(
    archive: Archive, owners: RecordingOwners, google: Google
) -> None:
    async for client in _client(archive, owners, _config(google, service_account="")):
        answer = await client.post(PATH, json=pushed(), headers=bearer(google.token()))
        assert (answer.status_code, owners.requests) == (404, [])
