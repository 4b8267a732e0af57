"""Credentials for Gmail: sealed grants of mailboxes and sealed service accounts of domains."""

from storage.control.store import ControlStore
from storage.db.engines import transaction
from storage.db.sql_files import query


class Credentials(ControlStore):
    """Stores sealed credentials; storage/control/sealing.py seals and opens them."""

    def save_credentials(self, user_id: int, sealed: bytes) -> None:
        """Store a mailbox's sealed credentials, replacing older ones."""
        with transaction(self._engine) as connection:
            connection.execute(query("credentials_save"), {"user_id": user_id, "sealed": sealed})
            self._audit_user(connection, "account.grant", user_id)

    def credentials(self, user_id: int) -> bytes | None:
        """A mailbox's sealed credentials."""
        with transaction(self._engine) as connection:
            sealed: bytes | None = connection.execute(query("credentials"), {"user_id": user_id}).scalar()
            return sealed

    def save_domain(self, domain: str, sealed: bytes, admin: str) -> None:
        """Store a domain's sealed service account and its admin address, replacing older ones."""
        with transaction(self._engine) as connection:
            values = {"domain": domain.lower(), "sealed": sealed, "admin": admin.lower()}
            connection.execute(query("domain_save"), values)

    def domain_credentials(self, domain: str) -> bytes | None:
        """A domain's sealed service account."""
        with transaction(self._engine) as connection:
            sealed: bytes | None = connection.execute(query("domain_credentials"), {"domain": domain.lower()}).scalar()
            return sealed

    def has_secrets(self) -> bool:
        """Whether the database contains sealed values."""
        with transaction(self._engine) as connection:
            return bool(connection.execute(query("secrets_exist")).scalar())
