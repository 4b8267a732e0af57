"""The control database: users and their shards, sealed credentials, API keys, tokens, signing keys.

The only module that reads or writes it. Blocking: call it from a thread.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from storage.control.wait_reasons import WaitReasons
from storage.db import audit
from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.model.records import User
from storage.model.wait_reasons import WaitReason

_ADDING = 0x75736572  # "user"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as it is stored: the secret is not."""

    key_id: str
    user_id: int
    email: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    scopes: tuple[str, ...] | None = None  # None: all that the role may
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a secret speaks for, and for whose mail.

    key_id: the API key that it came by. grant_id, actor: another reads this mailbox, by a grant.
    """

    user_id: int
    email: str
    shard_id: int
    role: str
    scopes: frozenset[str] | None = None  # None: all that the role may
    key_id: str | None = field(default=None, compare=False)
    grant_id: str | None = None
    actor: str | None = None


class MailboxPaused(BackupError):
    """The mailbox's backup was paused. Resume it first."""

    def __init__(self, email: str) -> None:
        super().__init__(email)
        self.email = email

    def __str__(self) -> str:
        return (
            f"The backup of {self.email} is paused: resume it with `gbm accounts resume` or POST /api/v1/sync/resume."
        )


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox as the control database has it. removed_at: backed up no more; what is stored stays."""

    user_id: int
    email: str
    shard_id: int
    created_at: datetime
    removed_at: datetime | None


class TooManyKeys(BackupError):
    """The user has as many live API keys as are allowed. Revoke one."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"You have {self.most} API keys, and no more are allowed: revoke one that you do not need."


class UnknownUser(BackupError):
    """Nobody has this address here. Check its spelling, or add the account."""

    def __init__(self, email: str) -> None:
        super().__init__(email)
        self.email = email

    def __str__(self) -> str:
        return f"{self.email} is not backed up here: see `gbm accounts list`, or add it with `gbm accounts add`."


class Control:
    """Reads and writes the control database."""

    def __init__(self, engine: Source, actor: str = "gbm") -> None:
        """`actor`: who is named in the audit log."""
        self._engine, self._actor = engine, actor

    @property
    def engine(self) -> Source:
        """The control database."""
        return self._engine

    def add_user(self, email: str) -> User:
        """Register a mailbox on the least loaded shard; one that is known keeps its shard (and is back if removed)."""
        with transaction(self._engine) as connection:
            # One at a time: of several at once, each would count without the others.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADDING})
            known = text("SELECT removed_at IS NULL FROM users WHERE email = :email")
            was_there = connection.execute(known, {"email": email.lower()}).scalar()
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

    def pause(self, user_id: int, paused: bool, by: str | None = None) -> None:
        """Have a mailbox's backup rest until it is resumed, or resume it. Owners are to be told, too."""
        with transaction(self._engine) as connection:
            statement = text(
                "UPDATE users SET paused_at = CASE WHEN :paused THEN now() END"
                " WHERE user_id = :user_id AND (paused_at IS NOT NULL) <> :paused RETURNING email"
            )
            email = connection.execute(statement, {"user_id": user_id, "paused": paused}).scalar()
            if email is not None:
                action = "account.pause" if paused else "account.resume"
                audit.append(connection, by or self._actor, action, email)

    def is_paused(self, user_id: int) -> bool:
        """Whether a mailbox's backup rests."""
        with transaction(self._engine) as connection:
            statement = text("SELECT paused_at IS NOT NULL FROM users WHERE user_id = :user_id")
            return bool(connection.execute(statement, {"user_id": user_id}).scalar())

    def waits(self, shard_id: int, user_id: int) -> list[WaitReason]:
        """Why a mailbox, or its whole shard, waits."""
        return WaitReasons(self._engine).of([shard_id], [user_id])

    def paused(self, shard_id: int) -> set[int]:
        """The mailboxes of a shard whose backup rests, by user id."""
        with transaction(self._engine) as connection:
            statement = text("SELECT user_id FROM users WHERE shard_id = :shard_id AND paused_at IS NOT NULL")
            return set(connection.execute(statement, {"shard_id": shard_id}).scalars())

    def remove_user(self, user_id: int) -> None:
        """Back a mailbox up no more and forget its credentials. Its mail stays."""
        with transaction(self._engine) as connection:
            connection.execute(query("user_remove"), {"user_id": user_id})
            self._audit_user(connection, "account.remove", user_id)
            connection.execute(text("DELETE FROM credentials WHERE user_id = :user_id"), {"user_id": user_id})

    def shards(self) -> dict[int, int]:
        """Every shard and the index of its database."""
        with transaction(self._engine) as connection:
            rows = connection.execute(text("SELECT shard_id, database FROM shards ORDER BY shard_id"))
            return {row.shard_id: row.database for row in rows}

    def save_credentials(self, user_id: int, sealed: bytes) -> None:
        """Keep a mailbox's sealed credentials, replacing older ones."""
        with transaction(self._engine) as connection:
            connection.execute(query("credentials_save"), {"user_id": user_id, "sealed": sealed})
            self._audit_user(connection, "account.grant", user_id)

    def credentials(self, user_id: int) -> bytes | None:
        """A mailbox's sealed credentials."""
        with transaction(self._engine) as connection:
            statement = text("SELECT sealed FROM credentials WHERE user_id = :user_id")
            sealed: bytes | None = connection.execute(statement, {"user_id": user_id}).scalar()
            return sealed

    def save_key(
        self,
        key_id: str,
        user_id: int,
        role: str,
        secret_hash: bytes,
        expires_at: datetime | None,
        scopes: Collection[str] | None = None,
        by: str | None = None,
        maker: str | None = None,
        most: int | None = None,
    ) -> None:
        """Record an API key by its SHA-256.

        Args:
            scopes: None: all that the role may.
            by: who makes it.
            maker: the key that it is made with, which it does not outlive.
            most: live keys that the user may have; None: any number. Who makes several at once may get a few more.

        Raises:
            TooManyKeys.
        """
        values = {
            "key_id": key_id,
            "user_id": user_id,
            "role": role,
            "secret_hash": secret_hash,
            "expires_at": expires_at,
            "scopes": sorted(scopes) if scopes is not None else None,
            "maker": maker,
            "most": most,
        }
        with transaction(self._engine) as connection:
            if not connection.execute(query("api_key_save"), values).rowcount:
                raise TooManyKeys(most or 0)
            told = "all" if scopes is None else " ".join(sorted(scopes))
            detail: audit.Detail = {"user_id": user_id, "role": role, "scopes": told}
            audit.append(connection, by or self._actor, "key.create", key_id, detail)

    def keys(self, user_id: int | None = None) -> list[ApiKey]:
        """All API keys (of a user), oldest first."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("api_keys"), {"user_id": user_id})
            return [_api_key(row) for row in rows]

    def revoke_key(self, key_id: str, user_id: int | None = None, by: str | None = None) -> bool:
        """End an API key (of a user) and every refresh token that it gave. False when there is no such live key."""
        with transaction(self._engine) as connection:
            values = {"key_id": key_id, "user_id": user_id}
            done = connection.execute(query("api_key_revoke"), values).rowcount == 1
            if done:
                connection.execute(text("DELETE FROM refresh_tokens WHERE key_id = :key_id"), values)
                audit.append(connection, by or self._actor, "key.revoke", key_id)
            return done

    def principal_of_key(self, key_id: str, secret_hash: bytes) -> Principal | None:
        """Who a live API key speaks for; None when it is unknown, expired or revoked."""
        with transaction(self._engine) as connection:
            values = {"key_id": key_id, "secret_hash": secret_hash}
            row = connection.execute(query("api_key_principal"), values).first()
            return _principal(row) if row else None

    def save_refresh_token(
        self, token_hash: bytes, family: str, principal: Principal, key_id: str | None, ttl_s: float
    ) -> None:
        """Record a refresh token by its SHA-256."""
        values = {
            "token_hash": token_hash,
            "family": family,
            "user_id": principal.user_id,
            "role": principal.role,
            "scopes": sorted(principal.scopes) if principal.scopes is not None else None,
            "key_id": key_id,
            "ttl_s": ttl_s,
        }
        with transaction(self._engine) as connection:
            connection.execute(query("refresh_token_save"), values)

    def use_refresh_token(
        self, token_hash: bytes, successor: bytes | None = None, ttl_s: float = 0.0
    ) -> tuple[Principal, str, str | None] | None:
        """Use a refresh token up: (who, family, key id), or None when it is worth nothing.

        A token that was used before was stolen from somebody: its whole family ends.

        Args:
            successor: the hash of the one that takes its place, in the same transaction, good for `ttl_s`.
        """
        with transaction(self._engine) as connection:
            row = connection.execute(query("refresh_token_use"), {"token_hash": token_hash}).first()
            if row is None:
                connection.execute(query("refresh_family_end"), {"token_hash": token_hash})
                return None
            if successor is not None:
                values = {
                    "token_hash": successor,
                    "family": str(row.family),
                    "user_id": row.user_id,
                    "role": row.role,
                    "scopes": row.scopes,
                    "key_id": row.key_id,
                    "ttl_s": ttl_s,
                }
                connection.execute(query("refresh_token_save"), values)
            return _principal(row), str(row.family), row.key_id

    def save_domain(self, domain: str, sealed: bytes, admin: str) -> None:
        """Keep a domain's sealed service account, and the admin who lists its users; replaces an older one."""
        with transaction(self._engine) as connection:
            values = {"domain": domain.lower(), "sealed": sealed, "admin": admin.lower()}
            connection.execute(query("domain_save"), values)

    def domain_credentials(self, domain: str) -> bytes | None:
        """A domain's sealed service account."""
        with transaction(self._engine) as connection:
            statement = text("SELECT sealed FROM domains WHERE domain = :domain")
            sealed: bytes | None = connection.execute(statement, {"domain": domain.lower()}).scalar()
            return sealed

    def has_secrets(self) -> bool:
        """Whether anything is sealed in this database."""
        with transaction(self._engine) as connection:
            statement = text(
                "SELECT EXISTS (SELECT FROM credentials) OR EXISTS (SELECT FROM domains)"
                " OR EXISTS (SELECT FROM signing_keys)"
            )
            return bool(connection.execute(statement).scalar())

    def signing_keys(self) -> list[tuple[str, bytes]]:
        """(kid, sealed private key), newest first."""
        with transaction(self._engine) as connection:
            statement = text("SELECT kid, sealed FROM signing_keys ORDER BY created_at DESC, kid")
            return [(row.kid, row.sealed) for row in connection.execute(statement)]

    def add_first_signing_key(self, kid: str, sealed: bytes) -> None:
        """Keep a signing key unless there is one; of several callers at once, one wins."""
        with transaction(self._engine) as connection:
            connection.execute(text("LOCK TABLE signing_keys IN EXCLUSIVE MODE"))
            connection.execute(query("signing_key_first"), {"kid": kid, "sealed": sealed})

    def rotate_signing_keys(self, kid: str, sealed: bytes, newer_s: float, forget_s: float) -> bool:
        """Keep a new signing key unless the newest is younger than `newer_s`; of several callers at once, one wins.

        Keys whose successor is older than `forget_s` are forgotten. True when this one was kept.
        """
        with transaction(self._engine) as connection:
            connection.execute(text("LOCK TABLE signing_keys IN EXCLUSIVE MODE"))
            values = {"kid": kid, "sealed": sealed, "newer_s": newer_s}
            kept = connection.execute(query("signing_key_next"), values).rowcount == 1
            if kept:
                audit.append(connection, self._actor, "signing.rotate", kid)
            connection.execute(query("signing_keys_forget"), {"older_s": forget_s})
            return kept

    def users_page(self, after: int, limit: int) -> list[Account]:
        """Mailboxes by their ids, removed ones too."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("users_page"), {"after": after, "limit": limit})
            return [Account(*row) for row in rows]

    def _audit_user(self, connection: Connection, action: str, user_id: int) -> None:
        email = connection.execute(text("SELECT email FROM users WHERE user_id = :id"), {"id": user_id}).scalar()
        if email is not None:
            audit.append(connection, self._actor, action, email)


def _principal(row: Row[Any]) -> Principal:
    scopes = None if row.scopes is None else frozenset(row.scopes)
    return Principal(row.user_id, row.email, row.shard_id, row.role, scopes, row.key_id)


def _api_key(row: Row[Any]) -> ApiKey:
    scopes = None if row.scopes is None else tuple(row.scopes)
    return ApiKey(
        row.key_id,
        row.user_id,
        row.email,
        row.role,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        scopes,
        row.last_used_at,
    )
