"""A simulated Gmail whose mailboxes hold given messages under given ids, in a process of its own.

`python -m tests.e2e.known_gmail FOLDER` serves the folder: FOLDER/EMAIL/ID.eml, and FOLDER/labels.json. The simulator
itself makes ids from content, and an installation's mail has the ids that it was fetched under.
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import uvloop

from cluster.simulator.config import SimulatorConfig
from cluster.simulator.headers import scan
from cluster.simulator.mailbox import SimulatedMailbox
from cluster.simulator.server import RunningSimulator, _serve
from tests.e2e.installations import Api, Expected, Messages
from tests.e2e.processes import wait_for

Mail = dict[str, dict[str, bytes]]


def mail_of(url: str, keys: Mapping[str, str], expected: Expected) -> Mail:
    """The exact bytes of every mailbox's present messages, read from an installation."""
    found: Mail = {}
    for email, key in keys.items():
        with Api(url, key) as api:
            found[email] = {message_id: api.raw(message_id) for message_id in expected.now[email]}
    return found


class KnownGmail:
    """The running simulator."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.env = {"GBM_GMAIL__ENDPOINT": url, "GBM_GMAIL__TOKEN_URI": f"{url}/token"}

    def grant(self, email: str) -> bytes:
        """The authorized-user file of a mailbox."""
        return self._call("GET", f"users/{email}/authorized-user")

    def gets(self) -> int:
        """Messages that were fetched so far."""
        return int(json.loads(self._call("GET", "stats"))["gets"])

    def change(self, email: str) -> Messages:
        """A message arrives, one is deleted, one is starred; returns what the mailbox holds then."""
        held = self.messages(email)
        gone, starred, *_ = sorted(held)
        self._call(
            "POST", f"users/{email}/messages?label=INBOX", b"From: new@example.com\r\nSubject: new\r\n\r\nnew\r\n"
        )
        self._call("POST", f"users/{email}/messages/{gone}/delete")
        self._call("POST", f"users/{email}/messages/{starred}/labels", json.dumps({"add": ["STARRED"]}).encode())
        changed = self.messages(email)
        assert len(changed) == len(held) and changed != held
        return changed

    def messages(self, email: str) -> Messages:
        """What a mailbox holds, as an installation's document has it."""
        listed: list[dict[str, Any]] = json.loads(self._call("GET", f"users/{email}/messages"))
        return {item["id"]: {"sha256": item["sha256"], "labels": sorted(item["labels"])} for item in listed}

    def _call(self, method: str, path: str, body: bytes = b"") -> bytes:
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=body or None, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
            return content


@contextmanager
def known_gmail(mail: Mail, expected: Expected, history_id: int) -> Iterator[KnownGmail]:
    """Serve mailboxes; their history begins at `history_id`, so earlier cursors are too old."""
    with tempfile.TemporaryDirectory(prefix="gbm-known-") as name:
        folder = Path(name)
        for email, messages in mail.items():
            (folder / email).mkdir()
            for message_id, raw in messages.items():
                (folder / email / f"{message_id}.eml").write_bytes(raw)
        labels = {
            email: {message_id: message["labels"] for message_id, message in messages.items()}
            for email, messages in expected.now.items()
        }
        (folder / "labels.json").write_text(json.dumps({"labels": labels, "history_id": history_id}))
        process = subprocess.Popen([sys.executable, "-m", "tests.e2e.known_gmail", name], stdin=subprocess.DEVNULL)
        try:
            ready = folder / "url"
            wait_for(lambda: ready.exists() or process.poll() is not None, "the simulator starts")
            yield KnownGmail(ready.read_text())
        finally:
            process.terminate()
            process.wait(30)


class _KnownMailbox(SimulatedMailbox):
    """A mailbox whose first messages have given ids."""

    def fill(self, messages: Mapping[str, bytes], labels: Mapping[str, list[str]], history_id: int) -> None:
        by_content = {sha256(raw).digest(): message_id for message_id, raw in messages.items()}
        assert len(by_content) == len(messages), "two messages of a mailbox are alike"
        self._known = by_content
        self.history_id = history_id
        for message_id, raw in messages.items():
            headers = scan(raw)
            self._put(raw, headers, frozenset(labels[message_id]), headers.date_ms)
        self._order.sort()
        self._forgotten = self.history_id

    def _new_id(self, raw: bytes) -> tuple[str, int]:
        known = self._known.pop(sha256(raw).digest(), None)
        if known is None:
            return super()._new_id(raw)
        self._ids_ever.add(known)
        return known, int(known, 16)


def _mailboxes(folder: Path) -> dict[str, SimulatedMailbox]:
    document = json.loads((folder / "labels.json").read_bytes())
    found: dict[str, SimulatedMailbox] = {}
    for email, labels in document["labels"].items():
        mailbox = _KnownMailbox(email)
        messages = {path.stem: path.read_bytes() for path in sorted((folder / email).glob("*.eml"))}
        mailbox.fill(messages, labels, document["history_id"])
        found[email] = mailbox
    return found


def _main(folder: Path) -> None:
    def ready(running: RunningSimulator) -> None:
        fresh = folder / "url.new"
        fresh.write_text(running.url)
        fresh.rename(folder / "url")

    uvloop.run(_serve(SimulatorConfig(quota_profile="unlimited"), _mailboxes(folder), ready))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
