"""A cluster's databases and archive with two users' mail in it, and the gateway's applications over them."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from actors.config import BackupConfig
from actors.decisions import Mode
from jobs.processing import Analyse, write_segment
from serve.assembly import Assembly
from serve.auth import api_keys
from serve.config import ServeConfig
from serve.settings import Settings
from storage.catalog import leases
from storage.catalog.catalog import Catalog
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.control import Control
from storage.control.sealing import new_key
from storage.db import migrate
from storage.db.engines import Databases
from storage.errors import BackupError
from storage.files.blobs import open_blobs
from storage.model.records import Commit, LabelChange, LabelRow, MailboxUpdate, Phase, User
from storage.model.schemas import FETCHED
from storage.reader import MailboxReader

FIRST_AT = datetime(2024, 5, 1, 8, tzinfo=UTC)


@dataclass
class RecordingOwners:
    """Owners that remember what they were told; with `failure` set they all fail."""

    requests: list[tuple[User, Mode]] = field(default_factory=list)
    stops: list[User] = field(default_factory=list)
    pauses: list[tuple[str, User]] = field(default_factory=list)
    live: dict[str, Any] | None = None
    failure: BackupError | None = None

    async def request(self, user: User, mode: Mode) -> None:
        self._fail()
        self.requests.append((user, mode))

    async def stop(self, user: User) -> None:
        self._fail()
        self.stops.append(user)

    async def pause(self, user: User) -> None:
        self._fail()
        self.pauses.append(("pause", user))

    async def unpause(self, user: User) -> None:
        self._fail()
        self.pauses.append(("unpause", user))

    async def status(self, user: User) -> dict[str, Any] | None:
        self._fail()
        return self.live

    async def ping(self, shard_id: int) -> list[str]:
        self._fail()
        return []

    async def measures(self, shard_id: int) -> dict[str, float]:
        self._fail()
        return {"calls": 3.0, "granted_units_total": 250.0}

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class Archive:
    """The stores of a cluster, as its shard owners fill them."""

    def __init__(self, backup: BackupConfig) -> None:
        self.backup = backup
        self.databases = Databases(backup.postgres)
        self.control = Control(self.databases.control)
        migrate.upgrade(self.databases, shards=2)

    def add_user(self, email: str, role: str = "owner") -> tuple[User, str]:
        """A user and the text of an API key."""
        user, key = self.control.add_user(email), api_keys.new_key()
        self.control.save_key(key.key_id, user.user_id, role, key.secret_hash, None)
        return user, key.text.get_secret_value()

    def commit(
        self,
        user: User,
        messages: Sequence[tuple[int, list[str], bytes]],
        changes: Sequence[LabelChange] = (),
        thread_id: int | None = None,
        received_at: Sequence[datetime] | None = None,
        analyse: Analyse | None = None,
    ) -> None:
        """Back messages (id, labels, exact bytes) up, each a thread, or all one.

        They came when `received_at` says, or an hour apart in the order given. `analyse`: what is said of them.
        """
        catalog = Catalog(self.databases.shard_database(self.control.shards()[user.shard_id]))
        catalog.open_mailbox(user.shard_id, user.user_id, user.email)
        receipts = LabelRow("Label_1", "Receipts", "user", "hide/labelShow", "#000000/#ffffff")
        catalog.save_labels(user.user_id, [("INBOX", "INBOX", "system"), receipts])
        lease = leases.acquire(catalog.engine, user.shard_id, "test", self.backup.cluster, 60)
        fetched = [_fetched(user, messages, thread_id, received_at)] if messages else [FETCHED.empty_table()]
        manifest, index = write_segment(self.backup.archive, user.shard_id, lease.epoch, fetched, analyse=analyse)
        update = MailboxUpdate(user.user_id, Phase.CURRENT, 9, None, len(messages), synced=True)
        plan = Commit(user.shard_id, "test", lease.epoch, manifest, (update,), tuple(changes))
        assert catalog.commit(plan, index)

    def present(self, user: User) -> datetime:
        """This moment by the clock that commits are told by."""
        engine = self.databases.shard_database(self.control.shards()[user.shard_id])
        return MailboxReader(user.user_id, engine, open_blobs(self.backup.archive.uri)).present()

    def synced_at(self, user: User) -> str:
        """When the user's last commit began, RFC 3339."""
        engine = self.databases.shard_database(self.control.shards()[user.shard_id])
        state = MailboxReader(user.user_id, engine, open_blobs(self.backup.archive.uri)).state()
        assert state is not None
        assert state.synced_at is not None
        return state.synced_at.isoformat()


def _fetched(
    user: User,
    messages: Sequence[tuple[int, list[str], bytes]],
    thread_id: int | None,
    received_at: Sequence[datetime] | None,
) -> pa.Table:
    rows = [
        {
            "user_id": user.user_id,
            "message_id": message_id,
            "thread_id": thread_id or message_id,
            "history_id": 1,
            "received_at": received_at[number] if received_at else FIRST_AT + timedelta(hours=number),
            "labels": labels,
            "snippet": "a snippet",
            "raw": raw,
        }
        for number, (message_id, labels, raw) in enumerate(messages)
    ]
    return pa.Table.from_pylist(rows, schema=FETCHED)


def mail(subject: str, body: str = "Good morning.", sender: str = "Ann <ann@example.com>") -> bytes:
    """A plain message."""
    head = f"From: {sender}\r\nTo: Bob <bob@example.com>\r\nSubject: {subject}\r\nDate: Wed, 1 May 2024 08:00:00 +0000"
    return f"{head}\r\nMessage-ID: <{subject.replace(' ', '.')}@example.com>\r\n\r\n{body}\r\n".encode()


def stores(new_stores: Callable[[], tuple[str, ...]], path: Path) -> Archive:
    """Empty stores, to be closed."""
    dsns = [SecretStr(dsn) for dsn in new_stores()]
    return Archive(
        BackupConfig(
            cluster="test",
            archive=ArchiveConfig(uri=f"file://{path}/archive"),
            postgres=PostgresConfig(control_dsn=dsns[0], shard_dsns=tuple(dsns[1:])),
            sealing_key=SecretStr(new_key()),
        )
    )


@pytest.fixture
def archive(new_stores: Callable[[], tuple[str, ...]], tmp_path: Path) -> Iterator[Archive]:
    """Empty stores."""
    archive = stores(new_stores, tmp_path)
    yield archive
    archive.databases.close()


@pytest.fixture
def owners() -> RecordingOwners:
    return RecordingOwners()


@pytest.fixture
async def client(archive: Archive, owners: RecordingOwners) -> AsyncIterator[httpx.AsyncClient]:
    """A client of all applications, each behind its prefix as the proxy has it, and made when it is first asked."""
    assembly = Assembly(Settings(archive.backup, ServeConfig()), owners)
    apps: dict[str, FastAPI] = {}

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        parts = scope["path"].split("/")[1:4]
        name, prefix = "root", ""
        if parts[:2] == ["api", "v1"]:
            own = len(parts) > 2 and parts[2] in ("auth", "emails", "sync", "analytics")
            name, prefix = (parts[2], f"/api/v1/{parts[2]}") if own else ("emails", "/api/v1")
        if name not in apps:
            apps[name] = getattr(assembly, name)()
        await apps[name]({**scope, "root_path": prefix} if prefix else scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(proxy), base_url="http://gateway") as client:
        yield client
    assembly.close()


async def signed_in(client: httpx.AsyncClient, key: str) -> dict[str, str]:
    """The header that speaks for a key's user."""
    answer = await client.post("/api/v1/auth/token", json={"api_key": key})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
