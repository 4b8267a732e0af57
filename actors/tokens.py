"""Access tokens, one per mailbox, refreshed shortly before they expire and shared by all of its tasks.

Holds the only opened credentials of a shard, in memory, for as long as a refresh takes.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from jobs.gmail.config import GmailConfig
from jobs.gmail.credentials import AccessToken, AuthorizedUser, refresh
from jobs.gmail.errors import GrantRevoked
from jobs.gmail.service_account import MAIL_SCOPE, ServiceAccount, delegated_token
from storage.control.control import Control
from storage.control.sealing import Sealer, context, domain_context

#: Seconds before expiry at which a token is refreshed first: a fetch in flight must not outlive its token.
_MARGIN = timedelta(minutes=5)
#: Concurrent refreshes: a shard that starts with a thousand mailboxes does not need a thousand threads.
_AT_A_TIME = 8


class Tokens:
    """The access tokens of a shard's mailboxes."""

    def __init__(
        self,
        control: Control,
        sealer: Sealer,
        config: GmailConfig,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        scope: str = MAIL_SCOPE,
    ) -> None:
        """`scope`: requested from a domain's service account; a mailbox's own grant has the scopes of its consent."""
        self._control, self._sealer, self._config, self._now = control, sealer, config, now
        self._scope = scope
        self._tokens: dict[int, tuple[AccessToken, datetime]] = {}  # with the time to refresh it
        self._locks: dict[int, asyncio.Lock] = {}
        self._refreshing = asyncio.Semaphore(_AT_A_TIME)

    async def get(self, user_id: int, email: str) -> SecretStr:
        """A token that is valid for at least a fetch.

        Raises:
            GrantRevoked: no credentials, or Google refuses them.
            GmailError, DatabaseUnreachable, and storage.control.sealing's errors.
        """
        async with self._locks.setdefault(user_id, asyncio.Lock()):
            known = self._tokens.get(user_id)
            if known is None or known[1] <= self._now():
                asked = self._now()
                async with self._refreshing:
                    token = await asyncio.to_thread(self._refresh, user_id, email)
                early = min(_MARGIN, (token.expires_at - asked) / 2)
                known = self._tokens[user_id] = token, token.expires_at - early
            return known[0].token

    def reject(self, user_id: int, token: SecretStr) -> None:
        """Discard a token that Gmail refused; the next call gets a new one."""
        known = self._tokens.get(user_id)
        if known is not None and known[0].token == token:
            del self._tokens[user_id]

    def _refresh(self, user_id: int, email: str) -> AccessToken:
        """Refresh from the mailbox's own grant, else from its domain's service account."""
        sealed = self._control.credentials(user_id)
        if sealed is not None:
            content = self._sealer.open(sealed, context("credentials", user_id))
            return refresh(AuthorizedUser.parse(email, content), self._config, self._now())
        domain = email.rpartition("@")[2]
        sealed = self._control.domain_credentials(domain)
        if sealed is None:
            raise GrantRevoked(email)
        account = ServiceAccount.parse(self._sealer.open(sealed, domain_context(domain)))
        return delegated_token(account, email, self._scope, self._config, self._now())
