"""A simulator process with a small mailbox of awkward mail, and a hand on its controls."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from jobs.gmail.client import GmailClient
from jobs.gmail.config import GmailConfig
from jobs.gmail.credentials import AuthorizedUser, refresh
from storage.model.message_id import to_hex

MESSAGES = 160


class Simulator:
    """A running simulator: its one user, and what /_sim/ lets a test do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.email: str = self.ask("users")[0]["email"]

    def ask(self, path: str, body: bytes | None = None) -> Any:
        """GET, or POST with a body."""
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=body)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return orjson.loads(answer.read())

    def misbehave(self, rate: float, *kinds: str) -> None:
        asked: dict[str, Any] = {"rate": rate} | ({"kinds": kinds} if kinds else {})
        self.ask("faults", orjson.dumps(asked))

    def held(self) -> dict[int, str]:
        """SHA-256 of every message by id, as the simulator has it."""
        return {int(found["id"], 16): found["sha256"] for found in self.ask(f"users/{self.email}/messages")}

    def user(self) -> AuthorizedUser:
        document = self.ask(f"users/{self.email}/authorized-user")
        return AuthorizedUser.parse(self.email, orjson.dumps(document))

    def act(self, what: str, body: bytes = b"") -> Any:
        return self.ask(f"users/{self.email}/{what}", body)

    def change_labels(self, message_id: int, **changes: list[str]) -> None:
        self.act(f"messages/{to_hex(message_id)}/labels", orjson.dumps(changes))

    def config(self, **settings: Any) -> GmailConfig:
        return GmailConfig.model_validate({"endpoint": self.url, "quota_profile": "unlimited"} | settings)

    def token(self) -> str:
        return refresh(self.user(), self.config(), datetime.now(UTC)).token.get_secret_value()


def start(folder: Path, mail: Path, *options: str) -> tuple[subprocess.Popen[bytes], Simulator]:
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "cluster.simulator", "--mail", str(mail), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--ready-file", str(ready), *options], stderr=subprocess.PIPE, env=dict(os.environ)
    )
    deadline = time.monotonic() + 60
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(process.communicate()[1].decode())
        time.sleep(0.02)
    return process, Simulator(orjson.loads(ready.read_bytes())["url"])


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture(scope="session")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain mail, and some that is not: bare line feeds, 8-bit noise, nothing but a header, 3 MB."""
    folder = tmp_path_factory.mktemp("mail")
    random = Random(7)
    for number in range(MESSAGES):
        head = (
            f"From: a{number}@example.com\r\nTo: b@example.com\r\nSubject: number {number}\r\n"
            f"Date: Mon, 2 Nov 2026 10:{number // 60:02}:{number % 60:02} +0000\r\n"
            f"Message-ID: <{number}@example.com>\r\n\r\n"
        ).encode()
        body = random.randbytes(random.randrange(3_000)) if number % 3 else b"hello\r\n--batch_x--\r\n" * number
        (folder / f"{number:04}.eml").write_bytes(head.replace(b"\r", b"") + body if number % 7 == 0 else head + body)
    (folder / "large.eml").write_bytes(b"Subject: large\r\n\r\n" + random.randbytes(3_000_000))
    (folder / "header.eml").write_bytes(b"Subject: \xe9\xff only a header\r\n")
    return folder


@pytest.fixture(scope="module")
def simulator_process(tmp_path_factory: pytest.TempPathFactory, mail: Path) -> Iterator[Simulator]:
    process, simulator = start(
        tmp_path_factory.mktemp("simulator"),
        mail,
        "--quota-profile",
        "unlimited",
        "--concurrency",
        "100",
        "--users",
        "1",
    )
    yield simulator
    stop(process)


@pytest.fixture
def simulator(simulator_process: Simulator) -> Iterator[Simulator]:
    yield simulator_process
    simulator_process.misbehave(0)
    simulator_process.act("restore")


@pytest.fixture
def client(simulator: Simulator) -> Iterator[GmailClient]:
    client = GmailClient(simulator.config(batch_size=20))
    yield client
    client.close()


def digests(messages: Any) -> dict[int, str]:
    """SHA-256 by id of fetched messages."""
    return {message.id: sha256(message.raw).hexdigest() for message in messages}


def all_ids(client: GmailClient, token: str, page_size: int = 500) -> list[int]:
    """Every id by paging through the listing."""
    page = client.list_messages(token, max_results=page_size)
    ids = list(page.ids)
    while page.next_page_token:
        page = client.list_messages(token, page.next_page_token, max_results=page_size)
        ids += page.ids
    return ids
