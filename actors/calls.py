"""Makes the calls that a shard decides on, and tells what came of them in its terms.

Gmail is asked by tasks (`Work`); what is stored is asked of the catalogue. Refusals are outcomes (`CallFailed`): the
shard decides what comes next, nothing is repeated here. Called by the shard's owner.
"""

import asyncio

from pydantic import SecretStr

from actors.conversion import changed, fetched
from actors.decisions import (
    Call,
    CallFailed,
    Compare,
    Compared,
    Fetch,
    Listed,
    ListPage,
    Outcome,
    Pin,
    Pinned,
    ReadHistory,
    Watch,
    Watched,
)
from actors.reconcile import differences
from actors.shard import Shard
from actors.tokens import Tokens
from actors.wait_kinds import wait_kind
from actors.work import Work
from jobs.gmail.errors import GmailRefused, GrantRevoked, HistoryExpired, NotFound, TokenRejected
from storage.catalog.catalog import Catalog
from storage.errors import BackupError


class Calls:
    """The calls of one shard."""

    def __init__(self, work: Work, tokens: Tokens, catalog: Catalog, topic: str) -> None:
        """`topic`: where Gmail is to send its pushes."""
        self._work, self._tokens, self._catalog, self._topic = work, tokens, catalog, topic

    async def make(self, shard: Shard, call: Call) -> Outcome:
        """Make one call of a mailbox of this shard; whatever is wrong with it is an outcome."""
        mailbox = shard.mailbox(call.user_id)
        assert mailbox is not None
        token = None
        try:
            if isinstance(call, Compare):
                return await asyncio.to_thread(self._compare, call)
            token = await self._tokens.get(call.user_id, mailbox.email)
            if isinstance(call, Fetch):
                return fetched(*await self._work.fetch(token, call.user_id, call.message_ids))
            if isinstance(call, Pin):
                profile, labels = await self._work.pin(token)
                rows = [(label.id, label.name, label.type) for label in labels]
                await asyncio.to_thread(self._catalog.save_labels, call.user_id, rows)
                return Pinned(profile.history_id, profile.messages_total, tuple(label.id for label in labels))
            if isinstance(call, ListPage):
                return await self._list_page(token, call)
            if isinstance(call, Watch):
                watching = await self._work.watch(token, self._topic)
                return Watched(watching.expires_at.timestamp())
            changes = await self._work.history(token, call.start, call.page_token)
            return await asyncio.to_thread(
                changed, call.user_id, changes, lambda ids: self._catalog.unknown(call.user_id, ids)
            )
        except HistoryExpired as exc:
            return CallFailed(str(exc), shard.quota.cost(call), history_expired=True)
        except GrantRevoked as exc:
            return CallFailed(str(exc), revoked=True)
        except BackupError as exc:
            if isinstance(exc, TokenRejected) and token is not None:
                self._tokens.reject(call.user_id, token)
            return CallFailed(
                str(exc),
                shard.quota.cost(call),
                page_refused=isinstance(call, ListPage | ReadHistory)
                and call.page_token is not None
                and _unknown_to_gmail(exc),
                retry_after_s=getattr(exc, "retry_after_s", None),
                scope=getattr(exc, "scope", "user"),
                kind=wait_kind(exc),
            )

    async def _list_page(self, token: SecretStr, call: ListPage) -> Listed:
        try:
            page = await self._work.list_page(token, call.page_token, call.label_id)
        except (GmailRefused, NotFound) as exc:
            # A label that was deleted after the pin is on no message any more.
            if call.label_id is None or call.page_token is not None or not _unknown_to_gmail(exc):
                raise
            return Listed((), None)
        if call.label_id is not None:
            return Listed((), page.next_page_token, tuple(page.ids))
        unknown = await asyncio.to_thread(self._catalog.unknown, call.user_id, page.ids)
        return Listed(tuple(unknown), page.next_page_token, tuple(page.ids))

    def _compare(self, call: Compare) -> Compared:
        stored = self._catalog.stored_labels(call.user_id, call.pinned)
        return Compared(tuple(differences(call.user_id, call.pinned, call.relisted, stored)))


def _unknown_to_gmail(error: BackupError) -> bool:
    """Whether Gmail says that the label or the page token which the call names does not exist (any more)."""
    return isinstance(error, NotFound) or (isinstance(error, GmailRefused) and error.status == 400)
