"""The identity that a secret speaks for."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a secret speaks for, and for whose mail.

    key_id: the API key that it came by. left_s: seconds until that expires; None: it does not. grant_id, actor: another
    reads this mailbox, by a grant.
    """

    user_id: int
    email: str
    shard_id: int
    role: str
    scopes: frozenset[str] | None = None  # None: all that the role may
    key_id: str | None = field(default=None, compare=False)
    left_s: float | None = field(default=None, compare=False, kw_only=True)
    grant_id: str | None = None
    actor: str | None = None


def principal_of(row: Row[Any]) -> Principal:
    """The principal of a row of `api_key_principal` or `refresh_token_use`."""
    scopes = None if row.scopes is None else frozenset(row.scopes)
    left_s = None if row.left_s is None else float(row.left_s)
    return Principal(row.user_id, row.email, row.shard_id, row.role, scopes, row.key_id, left_s=left_s)
