"""Refresh tokens, stored by their SHA-256, and the keys that sign access tokens."""

from storage.control.principal import Principal, principal_of
from storage.control.store import ControlStore
from storage.db import audit
from storage.db.engines import transaction
from storage.db.sql_files import query


class RefreshTokens(ControlStore):
    """Issues and redeems refresh tokens; a second use ends the token's family."""

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
            return principal_of(row), str(row.family), row.key_id


class SigningKeyStore(ControlStore):
    """Keeps sealed signing keys and rotates them."""

    def signing_keys(self) -> list[tuple[str, bytes]]:
        """(kid, sealed private key), newest first."""
        with transaction(self._engine) as connection:
            return [(row.kid, row.sealed) for row in connection.execute(query("signing_keys"))]

    def add_first_signing_key(self, kid: str, sealed: bytes) -> None:
        """Keep a signing key unless there is one; of several callers at once, one wins."""
        with transaction(self._engine) as connection:
            connection.execute(query("signing_keys_lock"))
            connection.execute(query("signing_key_first"), {"kid": kid, "sealed": sealed})

    def rotate_signing_keys(self, kid: str, sealed: bytes, newer_s: float, forget_s: float) -> bool:
        """Keep a new signing key unless the newest is younger than `newer_s`; of several callers at once, one wins.

        Keys whose successor is older than `forget_s` are forgotten. True when this one was kept.
        """
        with transaction(self._engine) as connection:
            connection.execute(query("signing_keys_lock"))
            values = {"kid": kid, "sealed": sealed, "newer_s": newer_s}
            kept = connection.execute(query("signing_key_next"), values).rowcount == 1
            if kept:
                audit.append(connection, self._actor, "signing.rotate", kid)
            connection.execute(query("signing_keys_forget"), {"older_s": forget_s})
            return kept
