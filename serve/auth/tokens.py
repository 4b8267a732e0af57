"""Trades secrets for tokens: an API key, a sign-in code or a refresh token for an access token and a refresh token.

A refresh token is used once; a second use ends its whole family (storage/control/tokens.py). Every secret that is
worth nothing gets the same answer. Blocking.
"""

import re
import secrets
import uuid
from dataclasses import dataclass
from typing import Protocol

from serve.auth import api_keys
from serve.auth.authentication import AccessTokens
from storage.control.principal import Principal
from storage.errors import BackupError

_REFRESH_FORM = re.compile(r"gbr_[A-Za-z0-9_-]{43}")
#: Sign-in codes (serve/auth/sign_in_codes.py).
_CODE_FORM = re.compile(r"gbc_[A-Za-z0-9_-]{43}")


class TokenStore(Protocol):
    """What of storage.control.Control knows secrets."""

    def principal_of_key(self, key_id: str, secret_hash: bytes) -> Principal | None: ...

    def save_refresh_token(
        self, token_hash: bytes, family: str, principal: Principal, key_id: str | None, ttl_s: float
    ) -> None: ...

    def use_refresh_token(
        self, token_hash: bytes, successor: bytes | None = None, ttl_s: float = 0.0
    ) -> tuple[Principal, str, str | None] | None: ...


class SecretRefused(BackupError):
    """The API key or refresh token is worth nothing. Sign in again, or have a new key made."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "The secret is unknown, expired, revoked or already used: sign in again or create a new API key."


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """What a secret was traded for."""

    access_token: str
    expires_in: int
    refresh_token: str


class TokenService:
    """Trades secrets for tokens."""

    def __init__(self, store: TokenStore, tokens: AccessTokens, refresh_s: float) -> None:
        self._store, self._tokens, self._refresh_s = store, tokens, refresh_s

    @property
    def refresh_s(self) -> float:
        """Seconds until an unused refresh token expires."""
        return self._refresh_s

    def now(self) -> float:
        """The time that decides whether access tokens have expired, in seconds since 1970."""
        return self._tokens.now()

    def by_key(self, text: str) -> IssuedTokens:
        """Tokens for an API key: a new family.

        Raises:
            SecretRefused, DatabaseUnreachable.
        """
        parsed = api_keys.parse(text)
        principal = self._store.principal_of_key(*parsed) if parsed else None
        if parsed is None or principal is None:
            raise SecretRefused
        return self.begin(principal, parsed[0])

    def by_code(self, text: str) -> tuple[Principal, IssuedTokens]:
        """Who a sign-in code signs in, and the tokens of a new family; the code is used up.

        Raises:
            SecretRefused, DatabaseUnreachable.
        """
        used = self._store.use_refresh_token(api_keys.secret_hash(text)) if _CODE_FORM.fullmatch(text) else None
        if used is None:
            raise SecretRefused
        principal, _, key_id = used
        return principal, self.begin(principal, key_id)

    def used_up(self, text: str) -> tuple[Principal, str] | None:
        """Use a refresh token up without a successor: whose it was, and its family. None: it is worth nothing.

        Raises:
            DatabaseUnreachable.
        """
        used = self._store.use_refresh_token(api_keys.secret_hash(text)) if _REFRESH_FORM.fullmatch(text) else None
        return None if used is None else (used[0], used[1])

    def begin(self, principal: Principal, key_id: str | None = None) -> IssuedTokens:
        """Tokens for somebody who has proved who they are: a new family."""
        family, refresh = str(uuid.uuid4()), _new_refresh_token()
        self._store.save_refresh_token(api_keys.secret_hash(refresh), family, principal, key_id, self._refresh_s)
        return self._answer(principal, family, refresh)

    def by_refresh_token(self, text: str) -> IssuedTokens:
        """Tokens for a refresh token, which is used up.

        Raises:
            SecretRefused, DatabaseUnreachable.
        """
        used, refresh = None, _new_refresh_token()
        if _REFRESH_FORM.fullmatch(text):
            hashes = api_keys.secret_hash(text), api_keys.secret_hash(refresh)
            used = self._store.use_refresh_token(*hashes, self._refresh_s)
        if used is None:
            raise SecretRefused
        return self._answer(used[0], used[1], refresh)

    def _answer(self, principal: Principal, family: str, refresh: str) -> IssuedTokens:
        lifetime_s = self._tokens.lifetime_s
        if principal.left_s is not None:  # no token outlives its key
            lifetime_s = min(lifetime_s, max(int(principal.left_s), 0))
        return IssuedTokens(self._tokens.issue(principal, family, lifetime_s), lifetime_s, refresh)


def _new_refresh_token() -> str:
    return f"gbr_{secrets.token_urlsafe(32)}"
