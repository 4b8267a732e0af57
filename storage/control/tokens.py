"""Refresh tokens, stored by their SHA-256, and the keys that sign access tokens."""

from storage.control.principal import Principal, principal_of
from storage.control.store import ControlStore
from storage.db import audit
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.events.control_types import UserAuthenticated
from storage.events.publishing import CONTROL, publish


class RefreshTokens(ControlStore):
    """Stores and redeems refresh tokens. Reuse of a token revokes its family."""

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
            session = UserAuthenticated(role=principal.role, key_id=key_id)
            publish(connection, CONTROL, [(principal.user_id, session)])

    def use_refresh_token(
        self, token_hash: bytes, successor: bytes | None = None, ttl_s: float = 0.0
    ) -> tuple[Principal, str, str | None] | None:
        """Redeem a refresh token: (principal, family, key id), or None if the token is invalid.

        A token that was redeemed before may be stolen: its whole family is revoked.

        Args:
            successor: hash of the next token, stored in the same transaction, valid for `ttl_s`.
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
            return principal_of(row), str(row.family), row.key_id


class SigningKeyStore(ControlStore):
    """Stores and rotates sealed signing keys."""

    def signing_keys(self) -> list[tuple[str, bytes]]:
        """(kid, sealed private key), newest first."""
        with transaction(self._engine) as connection:
            return [(row.kid, row.sealed) for row in connection.execute(query("signing_keys"))]

    def add_first_signing_key(self, kid: str, sealed: bytes) -> None:
        """Store a signing key unless there is one; one of several concurrent callers wins."""
        with transaction(self._engine) as connection:
            connection.execute(query("signing_keys_lock"))
            connection.execute(query("signing_key_first"), {"kid": kid, "sealed": sealed})

    def rotate_signing_keys(self, kid: str, sealed: bytes, newer_s: float, forget_s: float) -> bool:
        """Store a signing key unless the newest is younger than `newer_s`; one of several concurrent callers wins.

        Deletes keys whose successor is older than `forget_s`. Returns True if the new key was stored.
        """
        with transaction(self._engine) as connection:
            connection.execute(query("signing_keys_lock"))
            values = {"kid": kid, "sealed": sealed, "newer_s": newer_s}
            kept = connection.execute(query("signing_key_next"), values).rowcount == 1
            if kept:
                audit.append(connection, self._actor, "signing.rotate", kid)
            connection.execute(query("signing_keys_forget"), {"older_s": forget_s})
            return kept
