"""Whole installations of earlier versions: unpacked, started, and read through the API.

An installation is an archive of a GBM_HOME, and a document of what it must hold: an API key, and for each mailbox every
message with its SHA-256 and labels, now and as of some moments.
"""

import hashlib
import json
import tarfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from tests.e2e.processes import gbm

#: Beside the clone, or beside a folder that holds it.
UPGRADE = next(
    (folder for parent in Path(__file__).parents[3:6] if (folder := parent / "shared" / "upgrade").is_dir()),
    Path(__file__).parents[3] / "shared" / "upgrade",
)
FIRST_VERSION = UPGRADE / "first-version.tar.xz"

#: Message id -> {"sha256": ..., "labels": [...]}.
Messages = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Expected:
    """What an installation must hold. key: of `mailboxes`' first."""

    key: str
    now: dict[str, Messages]
    as_of: dict[str, dict[str, Messages]]

    @classmethod
    def read(cls, path: Path) -> "Expected":
        """From a document such as expected.json."""
        return cls(**json.loads(path.read_bytes()))


def unpack(archive: Path, folder: Path) -> Path:
    """Extract an installation; returns its home. Files keep their owners where we are root."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="fully_trusted")
    [home] = [path for path in folder.iterdir() if path.is_dir()]
    return home


def keys_of(expected: Expected, env: Mapping[str, str]) -> dict[str, str]:
    """An API key for each mailbox: the installation's own, and new ones for the others."""
    first, *others = expected.now
    made = {}
    for email in others:
        done = gbm("keys", "create", email, "--json", env=env)
        assert done.returncode == 0, done.stderr
        made[email] = json.loads(done.stdout)["api_key"]
    return {first: expected.key, **made}


class Api:
    """One mailbox through the gateway."""

    def __init__(self, url: str, key: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=60)
        self._hashes: dict[str, str] = {}
        granted = self.patiently("POST", "/api/v1/auth/token", json={"api_key": key})
        assert granted.status_code == 200, granted.text
        self.client.headers["Authorization"] = f"Bearer {granted.json()['access_token']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def patiently(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer, waiting as a client does that is told to."""
        until = time.monotonic() + 120
        while True:
            answer = self.client.request(method, path, **options)
            if answer.status_code != 429 or time.monotonic() > until:
                return answer
            time.sleep(float(answer.headers["Retry-After"]))

    def labels(self, as_of: str | None = None) -> dict[str, list[str]]:
        """The labels of every message that is not deleted, page by page."""
        found: dict[str, list[str]] = {}
        asked = {"limit": "100", "include_spam_trash": "true", **({"as_of": as_of} if as_of else {})}
        while True:
            answer = self.patiently("GET", "/api/v1/emails", params=asked)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert not found.keys() & {item["id"] for item in page["items"]}, "a message is listed twice"
            found |= {item["id"]: sorted(item["labels"]) for item in page["items"]}
            if page["next_cursor"] is None:
                return found
            asked["cursor"] = page["next_cursor"]

    def raw(self, message_id: str, as_of: str | None = None) -> bytes:
        """A message's exact bytes."""
        answer = self.patiently("GET", f"/api/v1/emails/{message_id}/raw", params={"as_of": as_of} if as_of else {})
        assert answer.status_code == 200, f"{message_id}: {answer.status_code} {answer.text[:300]}"
        return answer.content

    def messages(self, as_of: str | None = None) -> Messages:
        """The mailbox as an installation's document has it. Each message's bytes are read once: they never change."""
        labels = self.labels(as_of)
        unread = labels.keys() - self._hashes.keys()
        with ThreadPoolExecutor(4) as pool:
            hashes = pool.map(lambda key: hashlib.sha256(self.raw(key, as_of)).hexdigest(), unread)
            self._hashes |= dict(zip(unread, hashes, strict=True))
        return {key: {"sha256": self._hashes[key], "labels": found} for key, found in labels.items()}


def assert_holds(expected: Expected, url: str, keys: Mapping[str, str], now: bool = True) -> None:
    """Every message, label and moment of the document, and nothing else. now: the present, too."""
    for email, key in keys.items():
        with Api(url, key) as api:
            for moment, mailboxes in expected.as_of.items():
                assert _wrong(api.messages(moment), mailboxes[email]) == {}, f"{email} as of {moment}"
            if now:
                assert _wrong(api.messages(), expected.now[email]) == {}, f"{email} now"


def _wrong(found: Messages, expected: Messages) -> dict[str, Any]:
    """What differs, message by message."""
    wanted = {key: {**message, "labels": sorted(message["labels"])} for key, message in expected.items()}
    return {
        key: {"found": found.get(key), "expected": wanted.get(key)}
        for key in found.keys() | wanted.keys()
        if found.get(key) != wanted.get(key)
    }


def up(env: Mapping[str, str]) -> str:
    """Start the cluster; returns the gateway's URL."""
    done = gbm("up", "--json", env=env, timeout_s=400)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["api"])


def down(env: Mapping[str, str]) -> None:
    """Stop the cluster."""
    done = gbm("down", env=env)
    assert done.returncode == 0, done.stderr


def sync(env: Mapping[str, str]) -> None:
    """Bring every mailbox up to date."""
    done = gbm("sync", "--all", "--wait", "--json", env=env)
    assert done.returncode == 0, done.stderr
