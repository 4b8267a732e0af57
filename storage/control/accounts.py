"""Accounts: mailboxes, the shards that they belong to, and whether their backup is paused."""

from dataclasses import dataclass
from datetime import datetime

from storage.control.store import ControlStore
from storage.control.wait_reasons import WaitReasons
from storage.db import audit
from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.model.records import User
from storage.model.wait_reasons import WaitReason

_ADDING = 0x75736572  # "user"


class MailboxPaused(BackupError):
    """The mailbox's backup was paused. Resume it first."""

    def __init__(self, email: str) -> None:
        super().__init__(email)
        self.email = email

    def __str__(self) -> str:
        return (
            f"The backup of {self.email} is paused: resume it with `gbm accounts resume` or POST /api/v1/sync/resume."
        )


class UnknownUser(BackupError):
    """Nobody has this address here. Check its spelling, or add the account."""

    def __init__(self, email: str) -> None:
        super().__init__(email)
        self.email = email

    def __str__(self) -> str:
        return f"{self.email} is not backed up here: see `gbm accounts list`, or add it with `gbm accounts add`."


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox as the control database has it. removed_at: the backup stopped then; stored mail stays."""

    user_id: int
    email: str
    shard_id: int
    created_at: datetime
    removed_at: datetime | None


class Accounts(ControlStore):
    """Registers mailboxes, finds, pauses and removes them."""

    @property
    def engine(self) -> Source:
        """The control database."""
        return self._engine

    def add_user(self, email: str) -> User:
        """Register a mailbox on the least loaded shard; one that is known keeps its shard (and is back if removed)."""
        with transaction(self._engine) as connection:
            # One at a time: of several at once, each would count without the others.
            connection.execute(query("users_lock"), {"key": _ADDING})
            was_there = connection.execute(query("user_is_active"), {"email": email.lower()}).scalar()
            user = User(*connection.execute(query("user_add"), {"email": email.lower()}).one())
            if not was_there:
                audit.append(connection, self._actor, "account.add", user.email, {"shard": user.shard_id})
            return user

    def user(self, email: str) -> User:
        """The mailbox of an address.

        Raises:
            UnknownUser.
        """
        with transaction(self._engine) as connection:
            row = connection.execute(query("user_by_email"), {"email": email.lower()}).first()
        if row is None:
            raise UnknownUser(email)
        return User(*row)

    def users(self, shard_id: int | None = None) -> list[User]:
        """All mailboxes (of a shard) that are backed up, by address."""
        with transaction(self._engine) as connection:
            return [User(*row) for row in connection.execute(query("users"), {"shard_id": shard_id})]

    def users_page(self, after: int, limit: int) -> list[Account]:
        """Mailboxes by their ids, removed ones too."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("users_page"), {"after": after, "limit": limit})
            return [Account(*row) for row in rows]

    def pause(self, user_id: int, paused: bool, by: str | None = None) -> None:
        """Pause or resume a mailbox's backup. The caller also notifies the shard's owner."""
        with transaction(self._engine) as connection:
            email = connection.execute(query("user_pause"), {"user_id": user_id, "paused": paused}).scalar()
            if email is not None:
                action = "account.pause" if paused else "account.resume"
                audit.append(connection, by or self._actor, action, email)

    def is_paused(self, user_id: int) -> bool:
        """Whether a mailbox's backup is paused."""
        with transaction(self._engine) as connection:
            return bool(connection.execute(query("user_is_paused"), {"user_id": user_id}).scalar())

    def waits(self, shard_id: int, user_id: int) -> list[WaitReason]:
        """Why a mailbox, or its whole shard, waits."""
        return WaitReasons(self._engine).of([shard_id], [user_id])

    def paused(self, shard_id: int) -> set[int]:
        """The mailboxes of a shard whose backup is paused, by user id."""
        with transaction(self._engine) as connection:
            return set(connection.execute(query("users_paused"), {"shard_id": shard_id}).scalars())

    def remove_user(self, user_id: int) -> None:
        """Stop backing up a mailbox and delete its credentials. Its mail stays."""
        with transaction(self._engine) as connection:
            connection.execute(query("user_remove"), {"user_id": user_id})
            self._audit_user(connection, "account.remove", user_id)
            connection.execute(query("credentials_delete"), {"user_id": user_id})

    def shards(self) -> dict[int, int]:
        """Every shard and the index of its database."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("shards"))
            return {row.shard_id: row.database for row in rows}
