"""Accounts: mailboxes, the shards that they belong to, and whether their backup is paused."""

from dataclasses import dataclass
from datetime import datetime

from storage.control.store import ControlStore
from storage.control.wait_reasons import WaitReasons
from storage.db import audit
from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.events.control_types import AccountAdded, AccountPaused, AccountRemoved, AccountResumed
from storage.events.publishing import CONTROL, publish
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
    """No account has this address. Check its spelling, or add the account."""

    def __init__(self, email: str) -> None:
        super().__init__(email)
        self.email = email

    def __str__(self) -> str:
        return f"{self.email} is not backed up here: see `gbm accounts list`, or add it with `gbm accounts add`."


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox in the control database. removed_at: when its backup was stopped; stored mail is kept."""

    user_id: int
    email: str
    shard_id: int
    created_at: datetime
    removed_at: datetime | None


class Accounts(ControlStore):
    """Adds, finds, pauses and removes mailboxes."""

    @property
    def engine(self) -> Source:
        """The control database."""
        return self._engine

    def add_user(self, email: str) -> User:
        """Add a mailbox to the least loaded shard. A known mailbox keeps its shard; a removed one is restored."""
        with transaction(self._engine) as connection:
            # Serialized, because concurrent additions would not count each other.
            connection.execute(query("users_lock"), {"key": _ADDING})
            was_there = connection.execute(query("user_is_active"), {"email": email.lower()}).scalar()
            user = User(*connection.execute(query("user_add"), {"email": email.lower()}).one())
            if not was_there:
                audit.append(connection, self._actor, "account.add", user.email, {"shard": user.shard_id})
                publish(connection, CONTROL, [(user.user_id, AccountAdded(shard=user.shard_id))])
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
        """Mailboxes that are backed up (of a shard), ordered by address."""
        with transaction(self._engine) as connection:
            return [User(*row) for row in connection.execute(query("users"), {"shard_id": shard_id})]

    def users_page(self, after: int, limit: int) -> list[Account]:
        """Mailboxes ordered by id, including removed ones."""
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
                publish(connection, CONTROL, [(user_id, AccountPaused() if paused else AccountResumed())])

    def is_paused(self, user_id: int) -> bool:
        """Whether a mailbox's backup is paused."""
        with transaction(self._engine) as connection:
            return bool(connection.execute(query("user_is_paused"), {"user_id": user_id}).scalar())

    def waits(self, shard_id: int, user_id: int) -> list[WaitReason]:
        """Reasons for which a mailbox or its shard waits."""
        return WaitReasons(self._engine).of([shard_id], [user_id])

    def paused(self, shard_id: int) -> set[int]:
        """User ids of a shard's paused mailboxes."""
        with transaction(self._engine) as connection:
            return set(connection.execute(query("users_paused"), {"shard_id": shard_id}).scalars())

    def bind_google(self, user_id: int, sub: str) -> bool:
        """Bind a user to a Google account at the first sign-in; False if the user is bound to another account."""
        with transaction(self._engine) as connection:
            return connection.execute(query("user_bind_google"), {"user_id": user_id, "sub": sub}).first() is not None

    def remove_user(self, user_id: int) -> None:
        """Stop backing up a mailbox and delete its credentials. Stored mail is kept."""
        with transaction(self._engine) as connection:
            connection.execute(query("user_remove"), {"user_id": user_id})
            self._audit_user(connection, "account.remove", user_id)
            connection.execute(query("credentials_delete"), {"user_id": user_id})
            publish(connection, CONTROL, [(user_id, AccountRemoved())])

    def shards(self) -> dict[int, int]:
        """Every shard and the index of its database."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("shards"))
            return {row.shard_id: row.database for row in rows}
