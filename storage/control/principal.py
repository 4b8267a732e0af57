"""The identity of an authenticated caller."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, and the mailbox that the caller may read.

    key_id: the API key that was used. left_s: seconds until it expires; None: it does not. grant_id, actor: set if
    `actor` reads this mailbox with a grant.
    """

    user_id: int
    email: str
    shard_id: int
    role: str
    scopes: frozenset[str] | None = None  # None: every scope of the role
    key_id: str | None = field(default=None, compare=False)
    left_s: float | None = field(default=None, compare=False, kw_only=True)
    grant_id: str | None = None
    actor: str | None = None

    @property
    def acting_email(self) -> str:
        """Who acts: the reader by a grant, else the mailbox's owner."""
        return self.actor or self.email


def principal_of(row: Row[Any]) -> Principal:
    """The principal of a row of `api_key_principal` or `refresh_token_use`."""
    scopes = None if row.scopes is None else frozenset(row.scopes)
    left_s = None if row.left_s is None else float(row.left_s)
    return Principal(row.user_id, row.email, row.shard_id, row.role, scopes, row.key_id, left_s=left_s)
