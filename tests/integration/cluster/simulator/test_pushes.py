"""Pushes of a simulator process over real HTTP: signed, repeated until acknowledged, lost on request."""

import base64
import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cluster.simulator.process import start_simulator
from jobs.gmail.config import GmailConfig
from serve.auth.pubsub_auth import Certificates, PushRefused, Sender
from serve.config import PushConfig
from tests.e2e.processes import wait_for

ACCOUNT = "pushes@simulator.iam.gserviceaccount.com"


class Subscriber:
    """Takes pushes; answers 503 to as many of the next ones as asked."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.refuse = 0
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = 503 if subscriber.refuse > 0 else 204
                subscriber.refuse -= 1
                subscriber.got.append((self.headers["Authorization"], body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/push"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def told(self) -> list[dict[str, Any]]:
        """What the pushes say."""
        return [json.loads(base64.b64decode(body["message"]["data"])) for _, body in self.got]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.close()


class Watched:
    """A simulator's one mailbox, which is watched, and what is asked of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        [user] = self.ask("/_sim/users")
        self.email: str = user["email"]
        grant = self.ask(f"/_sim/users/{self.email}/authorized-user")
        form = {name: grant[name] for name in ("client_id", "client_secret", "refresh_token")}
        body = urllib.parse.urlencode({"grant_type": "refresh_token", **form}).encode()
        self._token: str = self.ask("/token", body)["access_token"]
        self.watch()

    def ask(self, path: str, body: bytes | None = None, token: str = "") -> Any:
        """GET, or POST with a body."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers), timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def watch(self) -> None:
        self.ask("/gmail/v1/users/me/watch", b'{"topicName": "projects/p/topics/t"}', self._token)

    def stop(self) -> None:
        self.ask("/gmail/v1/users/me/stop", b"", self._token)

    def arrive(self) -> None:
        """A message comes in."""
        self.ask(f"/_sim/users/{self.email}/messages", b"Subject: new\r\n\r\nhello\r\n")

    def history_id(self) -> int:
        return int(self.ask("/gmail/v1/users/me/profile", token=self._token)["historyId"])

    def pushes(self) -> dict[str, int]:
        """Pushes by what became of them."""
        counts: dict[str, int] = self.ask("/_sim/stats")["pushes"]
        return counts


@contextmanager
def watched(subscriber: Subscriber, *options: str) -> Iterator[Watched]:
    with start_simulator(["--generate=2", "--users=1", f"--push-to={subscriber.url}", *options]) as gmail:
        yield Watched(gmail)


def test_a_change_is_pushed_with_a_token_that_our_gateway_believes(subscriber: Subscriber) -> None:
    with watched(subscriber, "--push-audience=https://backup.example/push") as mailbox:
        mailbox.arrive()
        wait_for(lambda: bool(subscriber.got), "a push arrives")
        url = f"{mailbox.url}/certs"
        push = PushConfig(audience="https://backup.example/push", service_account=ACCOUNT, certificates_url=url)
        authorization, body = subscriber.got[0]

        Sender(push, Certificates(url, GmailConfig())).check(authorization)
        with pytest.raises(PushRefused):
            elsewhere = push.model_copy(update={"audience": "https://elsewhere.example"})
            Sender(elsewhere, Certificates(url, GmailConfig())).check(authorization)

        assert subscriber.told()[-1] == {"emailAddress": mailbox.email, "historyId": mailbox.history_id()}
        assert body["subscription"] and body["message"]["messageId"]


def test_a_push_that_is_not_acknowledged_comes_again(subscriber: Subscriber) -> None:
    with watched(subscriber) as mailbox:
        subscriber.refuse = 2
        mailbox.arrive()
        wait_for(lambda: mailbox.pushes().get("delivered") == 1, "the push is acknowledged")

        assert [told["historyId"] for told in subscriber.told()] == [mailbox.history_id()] * 3
        assert mailbox.pushes() == {"refused": 2, "delivered": 1}


def test_a_lost_push_does_not_come(subscriber: Subscriber) -> None:
    with watched(subscriber, "--push-loss-rate=1") as mailbox:
        mailbox.arrive()
        wait_for(lambda: mailbox.pushes().get("lost") == 1, "the push gets lost")

        assert subscriber.got == []


def test_a_mailbox_that_is_watched_no_more_is_not_pushed(subscriber: Subscriber) -> None:
    with watched(subscriber) as mailbox:
        mailbox.arrive()
        wait_for(lambda: len(subscriber.got) == 1, "a push arrives")
        mailbox.stop()
        mailbox.arrive()
        before = mailbox.history_id()
        mailbox.watch()
        mailbox.arrive()
        wait_for(lambda: len(subscriber.got) == 2, "a push arrives again")

        assert subscriber.told()[1]["historyId"] > before
