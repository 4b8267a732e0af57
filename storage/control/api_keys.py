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
from storage.events.control_types import KeyCreated, KeyRevoked
from storage.events.publishing import CONTROL, publish


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored API key, without its secret."""

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
    """The user has the maximum number of active API keys. Revoke one."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"You have {self.most} API keys, and no more are allowed: revoke one that you do not need."


class ApiKeys(ControlStore):
    """Creates, lists, revokes and verifies API keys."""

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
            scopes: None: every scope of the role.
            by: actor for the audit log.
            maker: the key that authorized the request; the new key ends with it at the latest.
            most: maximum number of the user's active keys; None: no limit. Concurrent requests may exceed it slightly.

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
            scope_text = "all" if scopes is None else " ".join(sorted(scopes))
            detail: audit.Detail = {"user_id": user_id, "role": role, "scopes": scope_text}
            audit.append(connection, by or self._actor, "key.create", key_id, detail)
            publish(connection, CONTROL, [(user_id, KeyCreated(key_id=key_id, role=role))])

    def keys(self, user_id: int | None = None) -> list[ApiKey]:
        """API keys (of a user), oldest first."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("api_keys"), {"user_id": user_id})
            return [_api_key(row) for row in rows]

    def revoke_key(self, key_id: str, user_id: int | None = None, by: str | None = None) -> bool:
        """Revoke an API key (of a user), every key made with it, and their refresh tokens.

        Returns False if there is no such active key.
        """
        with transaction(self._engine) as connection:
            values = {"key_id": key_id, "user_id": user_id}
            rows = connection.execute(query("api_key_revoke"), values).all()
            ended = [str(row.key_id) for row in rows]
            if ended:
                connection.execute(query("refresh_tokens_of_keys_delete"), {"key_ids": ended})
            for revoked_id in ended:
                detail: audit.Detail = {} if revoked_id == key_id else {"made_with": key_id}
                audit.append(connection, by or self._actor, "key.revoke", revoked_id, detail)
            publish(connection, CONTROL, [(row.user_id, KeyRevoked(key_id=row.key_id)) for row in rows])
            return bool(ended)

    def principal_of_key(self, key_id: str, secret_hash: bytes) -> Principal | None:
        """Principal of an active API key; None if the key is unknown, expired or revoked."""
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
