"""Grants: audited, temporary permissions to read another user's mail; and revocations of access tokens.

In the control database. Blocking: call it from a thread.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from storage.control.principal import Principal
from storage.db import audit
from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.model.records import User


class UnknownGrant(BackupError):
    """The grant does not exist for this caller, or has ended. Request a new one."""

    def __init__(self, grant_id: str) -> None:
        super().__init__(grant_id)
        self.grant_id = grant_id

    def __str__(self) -> str:
        return "There is no such grant, or it has ended: ask for a new one with POST /api/v1/auth/grants."


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to read a mailbox. left_s: remaining seconds; negative if expired. may_restore: mail into it, too."""

    grant_id: str
    mailbox: User
    grantee_id: int
    grantee: str
    role: str
    reason: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    alive: bool
    left_s: float
    may_restore: bool = False


@dataclass(frozen=True, slots=True)
class Revocation:
    """Revokes the access tokens of a user, a key or a grant (kind, name) that were issued before `until`."""

    kind: str
    name: str
    until: float


class Grants:
    """Stores grants and revocations."""

    def __init__(self, engine: Source) -> None:
        self._engine = engine

    def create(self, reader: Principal, mailbox: User, reason: str, ttl_s: float, restore: bool = False) -> Grant:
        """Grant permission to read a mailbox from now on; with `restore`, to restore mail into it as well."""
        grant_id = secrets.token_hex(8)
        values = {
            "grant_id": grant_id,
            "user_id": mailbox.user_id,
            "grantee_id": reader.user_id,
            "role": reader.role,
            "reason": reason,
            "ttl_s": ttl_s,
            "may_restore": restore,
        }
        with transaction(self._engine) as connection:
            connection.execute(query("grant_create"), values)
            detail: audit.Detail = {"mailbox": mailbox.email[:200], "reason": reason[:200], "seconds": int(ttl_s)}
            if restore:
                detail = {**detail, "restore": True}
            audit.append(connection, reader.email, "grant.create", grant_id, detail)
        return self.get(grant_id, reader.user_id)

    def get(self, grant_id: str, person: int | None) -> Grant:
        """A grant held by a person or for that person's mailbox; person None: any grant.

        Raises:
            UnknownGrant.
        """
        grants = self.listed(person, 1, grant_id)
        if not grants:
            raise UnknownGrant(grant_id)
        return grants[0]

    def listed(self, person: int | None, limit: int = 100, grant_id: str | None = None) -> list[Grant]:
        """Grants held by a person or for that person's mailbox, newest first; person None: all."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("grants_list"), {"person": person, "grant_id": grant_id, "limit": limit})
            return [
                Grant(
                    row.grant_id,
                    User(row.user_id, row.email, row.shard_id),
                    row.grantee_id,
                    row.grantee,
                    row.role,
                    row.reason,
                    row.created_at,
                    row.expires_at,
                    row.revoked_at,
                    row.alive,
                    float(row.left_s),
                    row.may_restore,
                )
                for row in rows
            ]

    def use(self, grant_id: str, reader: Principal) -> Grant:
        """Return an active grant of this reader, and record its use.

        Raises:
            UnknownGrant.
        """
        grant = self.get(grant_id, reader.user_id)
        if grant.grantee_id != reader.user_id or not grant.alive:
            raise UnknownGrant(grant_id)
        with transaction(self._engine) as connection:
            audit.append(connection, reader.email, "grant.use", grant_id, {"mailbox": grant.mailbox.email[:200]})
        return grant

    def revoke(self, grant_id: str, by: Principal, person: int | None) -> Grant:
        """Revoke a grant; an ended grant is unchanged.

        Raises:
            UnknownGrant.
        """
        grant = self.get(grant_id, person)
        with transaction(self._engine) as connection:
            statement = text("UPDATE grants SET revoked_at = now() WHERE grant_id = :id AND revoked_at IS NULL")
            if connection.execute(statement, {"id": grant_id}).rowcount:
                audit.append(connection, by.email, "grant.revoke", grant_id, {"mailbox": grant.mailbox.email[:200]})
        return self.get(grant_id, person)

    def sign_out(self, principal: Principal) -> None:
        """End every session of a user: refresh tokens at once, access tokens once replicas read the revocation."""
        with transaction(self._engine) as connection:
            values = {"user_id": principal.user_id}
            connection.execute(text("DELETE FROM refresh_tokens WHERE user_id = :user_id"), values)
            connection.execute(text("UPDATE users SET tokens_not_before = now() WHERE user_id = :user_id"), values)
            audit.append(connection, principal.email, "session.end_all", principal.email)

    def end_session(self, principal: Principal, family: str) -> None:
        """End one session of a user: refresh tokens at once, access tokens once replicas read the revocation."""
        with transaction(self._engine) as connection:
            statement = text("DELETE FROM refresh_tokens WHERE family = CAST(:family AS uuid) AND user_id = :user_id")
            connection.execute(statement, {"family": family, "user_id": principal.user_id})
            connection.execute(query("session_end"), {"family": family})
            audit.append(connection, principal.email, "session.end", principal.email)

    def revocations(self, horizon_s: float) -> list[Revocation]:
        """Revocations of the last `horizon_s` seconds."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("revocations"), {"horizon_s": horizon_s})
            return [Revocation(row.kind, row.name, float(row.until)) for row in rows]
