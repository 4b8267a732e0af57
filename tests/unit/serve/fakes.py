"""Small working stand-ins for what the gateway is built on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import httpx
from fastapi import FastAPI

from actors.decisions import Mode
from actors.forecast import Forecast
from jobs.mime.display import display
from jobs.mime.message import AttachmentContent
from jobs.mime.parser import attachment
from serve.auth.audit_buffer import AuditBuffer
from serve.auth.authentication import AccessTokens, authenticator
from serve.auth.authorization import AccessControl
from serve.auth.routes.auth import AuthServices
from serve.auth.signing import SigningKeys
from serve.auth.tokens import TokenService
from serve.config import TokenConfig
from serve.http.executor import BlockingExecutor
from serve.http.sse import Streams
from storage.control.control import Control
from storage.control.grants import Grants
from storage.control.principal import Principal
from storage.control.sealing import Key, Keyring, Sealer
from storage.db.audit import Detail
from storage.errors import BackupError
from storage.mailbox.failures import Failed
from storage.mailbox.lookups import Located
from storage.model.mail_query import ALL_MAIL, MailQuery
from storage.model.message_id import from_hex
from storage.model.records import MailboxRecord, User
from storage.model.results import Attachment, Email, EmailSummary, Page, PageCursor, RankCursor, RankedPage
from storage.model.wait_reasons import WaitReason
from storage.query.highlighting import Fragment, Highlight

ANN = Principal(1, "ann@example.com", 0, "owner")
BOB = Principal(2, "bob@example.com", 1, "owner")
NOW = 1_800_000_000.0
#: What the project has spent of its day.
TODAY = Forecast("2026-11-24", 70, 7.0, 140, 100, paced=True, reserved=80)


class MemoryKeyStore:
    """Signing keys in memory."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, bytes]] = []
        self.reads = 0

    def signing_keys(self) -> list[tuple[str, bytes]]:
        self.reads += 1
        return list(self.rows)

    def add_first_signing_key(self, kid: str, sealed: bytes) -> None:
        if not self.rows:
            self.rows.append((kid, sealed))

    def rotate_signing_keys(self, kid: str, sealed: bytes, newer_s: float, forget_s: float) -> bool:
        self.rows.insert(0, (kid, sealed))
        return True


class MemoryTokenStore:
    """API keys and refresh tokens in memory, with the rules of storage.control.Control."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, bytes], Principal] = {}
        self.tokens: dict[bytes, tuple[Principal, str, str | None]] = {}
        self.used: dict[bytes, str] = {}

    def principal_of_key(self, key_id: str, secret_hash: bytes) -> Principal | None:
        return self.keys.get((key_id, secret_hash))

    def save_refresh_token(
        self, token_hash: bytes, family: str, principal: Principal, key_id: str | None, ttl_s: float
    ) -> None:
        self.tokens[token_hash] = (principal, family, key_id)

    def use_refresh_token(
        self, token_hash: bytes, successor: bytes | None = None, ttl_s: float = 0.0
    ) -> tuple[Principal, str, str | None] | None:
        found = self.tokens.pop(token_hash, None)
        if found is not None:
            self.used[token_hash] = found[1]
            if successor is not None:
                self.tokens[successor] = found
        elif family := self.used.get(token_hash):
            self.tokens = {key: token for key, token in self.tokens.items() if token[1] != family}
        return found


class Clock:
    """Time that moves when told."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sealer() -> Sealer:
    """A sealer with a key of its own."""
    return Sealer(Keyring(Key(bytes(range(32)))))


def access_tokens(config: TokenConfig | None = None, clock: Clock | None = None) -> AccessTokens:
    """Tokens over a key store of their own."""
    return AccessTokens(SigningKeys(MemoryKeyStore(), sealer()), config or TokenConfig(), clock or Clock())


def authentication(tokens: AccessTokens) -> AccessControl:
    """The dependency over these tokens."""
    return AccessControl(authenticator(tokens, BlockingExecutor(2)))


class MemoryLog:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, Detail]] = []

    def note(self, entries: Sequence[tuple[str, str, str, Detail]]) -> None:
        self.entries += entries


STREAMS = Streams(most=4, most_each=2, every_s=0.01, heartbeat_s=0.05)


class MemoryPauses:
    """Pauses in memory."""

    def __init__(self) -> None:
        self.users: set[int] = set()
        self.reasons: list[WaitReason] = []

    def waits(self, shard_id: int, user_id: int) -> list[WaitReason]:
        return [reason for reason in self.reasons if reason.shard_id == shard_id and reason.user_id in (0, user_id)]

    def pause(self, user_id: int, paused: bool, by: str | None = None) -> None:
        (self.users.add if paused else self.users.discard)(user_id)

    def is_paused(self, user_id: int) -> bool:
        return user_id in self.users


def desks(store: MemoryTokenStore, tokens: AccessTokens, log: MemoryLog | None = None) -> AuthServices:
    """What the auth application works with, but for what only a database has."""
    notes = AuditBuffer(log or MemoryLog(), BlockingExecutor(1), 0.0)
    keys = SigningKeys(MemoryKeyStore(), sealer())
    return AuthServices(TokenService(store, tokens, 60), cast(Control, None), cast(Grants, None), keys, notes)


def header(tokens: AccessTokens, principal: Principal = ANN) -> dict[str, str]:
    """The header that speaks for somebody."""
    return {"Authorization": f"Bearer {tokens.issue(principal)}"}


def client(app: FastAPI) -> httpx.AsyncClient:
    """A client of one app, without sockets."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


@dataclass
class RecordingOwners:
    """Owners that remember what they were told; with `failure` set they all fail."""

    told: list[tuple[str, User, Mode | None]] = field(default_factory=list)
    live: dict[str, Any] | None = None
    failure: BackupError | None = None

    async def request(self, user: User, mode: Mode) -> None:
        self._fail()
        self.told.append(("request", user, mode))

    async def stop(self, user: User) -> None:
        self._fail()
        self.told.append(("stop", user, None))

    async def pause(self, user: User) -> None:
        self._fail()
        self.told.append(("pause", user, None))

    async def unpause(self, user: User) -> None:
        self._fail()
        self.told.append(("unpause", user, None))

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


class MemoryReader:
    """One user's mail in memory. `asked` keeps the arguments of `emails`."""

    failed: tuple[Failed, ...] = ()

    def version(self) -> str | None:
        """Nothing of it is kept."""
        return None

    def failures(self, limit: int) -> list[Failed]:
        """As they were given."""
        return list(self.failed[:limit])

    def received(self, message_id: int) -> bytes | None:
        """Of one message."""
        return b'{"id": "1f"}' if message_id == 0x1F else None

    def __init__(self, messages: Sequence[tuple[Email, bytes]], record: MailboxRecord | None = None) -> None:
        self._messages = {from_hex(email.summary.id): (email, raw) for email, raw in messages}
        self._record = record
        self.asked: list[tuple[object, ...]] = []
        self.failure: Exception | None = None

    def best(self, mail_query: MailQuery, limit: int = 50, after: RankCursor | None = None) -> RankedPage:
        """The oldest first, so that it differs."""
        self.asked.append((mail_query, limit, after))
        found = sorted((email.summary for email, _ in self._messages.values()), key=lambda email: email.date)
        passed = after.passed if after else 0
        more = len(found) > passed + limit
        page = tuple(found[passed : passed + limit])
        return RankedPage(page, RankCursor(found[-1].date, passed + limit) if more else None)

    def highlights(self, text: str, ids: Sequence[str]) -> dict[str, list[Highlight]]:
        """Of the first message only."""
        return {"1": [Highlight("subject", Fragment(f"<b>{text}", 0, ((3, 3 + len(text)),)))]}

    def emails(self, mail_query: MailQuery = ALL_MAIL, limit: int = 50, after: PageCursor | None = None) -> Page:
        if self.failure is not None:
            raise self.failure
        self.asked.append((mail_query, limit, after))
        found = [email.summary for email, _ in self._messages.values()]
        found.sort(key=lambda email: (email.date, from_hex(email.id)), reverse=True)
        start = (after.received_at, after.message_id) if after else None
        rest = [email for email in found if start is None or (email.date, from_hex(email.id)) < start]
        last = rest[limit - 1] if len(rest) > limit else None
        return Page(tuple(rest[:limit]), PageCursor(last.date, from_hex(last.id)) if last else None)

    def email(self, message_id: int, as_of: datetime | None = None) -> Email | None:
        self.asked.append((message_id, as_of))
        return self._messages[message_id][0] if message_id in self._messages else None

    def raw(self, message_id: int, as_of: datetime | None = None) -> bytes | None:
        if self.failure is not None:
            raise self.failure
        return self._messages[message_id][1] if message_id in self._messages else None

    def email_at(self, located: Located) -> Email | None:
        return self.email(located.message_id)

    def raw_at(self, located: Located) -> bytes | None:
        return self.raw(located.message_id)

    def parsable(self, message_id: int, as_of: datetime | None = None) -> bytes | None:
        return self.raw(message_id, as_of)

    def state(self) -> MailboxRecord | None:
        return self._record


class MemoryReaders:
    """Readers by user id; a user without one has an empty mailbox."""

    def __init__(self, readers: dict[int, MemoryReader] | None = None) -> None:
        self.readers = readers or {}

    def reader(self, principal: Principal) -> MemoryReader:
        return self.readers.setdefault(principal.user_id, MemoryReader([]))


class HereReading:
    """Reads messages in this process."""

    def page(self, raw: bytes, remote_images: bool = False) -> str:
        return display(raw, remote_images)

    def part(self, raw: bytes, part: str) -> AttachmentContent | None:
        return attachment(raw, part)


def email(number: int, subject: str = "Hello") -> Email:
    """A message; later numbers are newer."""
    summary = EmailSummary(
        id=f"{number:x}",
        thread_id=f"{number:x}",
        date=datetime.fromtimestamp(NOW + number, UTC),
        sender="Ann <ann@example.com>",
        to=("bob@example.com",),
        cc=(),
        subject=subject,
        snippet="Good morning",
        labels=("INBOX",),
        size_bytes=100,
        has_attachment=True,
        deleted_at=None,
        defects=(),
    )
    part = Attachment("2", "a.pdf", "application/pdf", 10, "00" * 32, False)
    analysis = {"language": {"version": 1, "code": "en", "sure": 0.5}}
    return Email(summary, "Good morning.", (("Subject", subject), ("X-Odd", "1")), (part,), "11" * 32, analysis)
