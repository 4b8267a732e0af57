"""API keys, stored by the SHA-256 of their secrets."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from storage.control.principal import Principal, principal_of
from storage.control.store import ControlStore
from storage.db import audit
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.errors import BackupError


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


class TooManyKeys(BackupError):
    """The user has as many live API keys as are allowed. Revoke one."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"You have {self.most} API keys, and no more are allowed: revoke one that you do not need."


class ApiKeys(ControlStore):
    """Creates, lists, revokes and recognises API keys."""

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
                connection.execute(query("refresh_tokens_of_key_delete"), values)
                audit.append(connection, by or self._actor, "key.revoke", key_id)
            return done

    def principal_of_key(self, key_id: str, secret_hash: bytes) -> Principal | None:
        """Who a live API key speaks for; None when it is unknown, expired or revoked."""
        with transaction(self._engine) as connection:
            values = {"key_id": key_id, "secret_hash": secret_hash}
            row = connection.execute(query("api_key_principal"), values).first()
            return principal_of(row) if row else None


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
