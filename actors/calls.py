"""Carries out the calls that a shard decides on, and returns their outcomes in its terms.

Tasks (`Work`) call Gmail; the catalog holds the stored state. Refusals are outcomes (`CallFailed`): the shard decides
the next step, and this module retries nothing. The shard's owner calls it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from pydantic import SecretStr

from actors.conversion import added_threads, agreeing_threads, changed, differing_threads, fetched, without
from actors.decisions import (
    Call,
    CallFailed,
    Changed,
    Compare,
    Compared,
    Confirm,
    Confirmed,
    Fetch,
    LabelsRead,
    Listed,
    ListPage,
    Outcome,
    Pin,
    Pinned,
    ReadHistory,
    ReadLabels,
    Watch,
    Watched,
)
from actors.reconcile import differences
from actors.shard import Shard
from actors.tokens import Tokens
from actors.wait_kinds import wait_kind
from actors.work import Work
from jobs.gmail.errors import AnswerUnreadable, GmailRefused, GrantRevoked, HistoryExpired, NotFound, TokenRejected
from jobs.gmail.records import HistoryPage, Label, Profile
from storage.catalog.catalog import Catalog
from storage.errors import BackupError
from storage.model.records import LabelRow

#: Distance from the newest known history id within which another id is believed without a check. An id beyond that
#: is checked against Gmail's profile: a wrong one would make all later changes look old.
_JUMP = 1_000
#: Messages of a page of history whose thread is requested, at most; a reconciliation finds the others.
_THREADS_ASKED = 10
_LOG = logging.getLogger(__name__)


class Calls:
    """The calls of one shard."""

    def __init__(self, work: Work, tokens: Tokens, catalog: Catalog, topic: str) -> None:
        """`topic`: the Pub/Sub topic for Gmail's notifications."""
        self._work, self._tokens, self._catalog, self._topic = work, tokens, catalog, topic

    async def make(self, shard: Shard, call: Call) -> Outcome:
        """Make one call for a mailbox of this shard. Errors are returned as outcomes."""
        mailbox = shard.mailbox(call.user_id)
        assert mailbox is not None
        token = None
        try:
            if isinstance(call, Compare):
                return await asyncio.to_thread(self._compare, call)
            token = await self._tokens.get(call.user_id, mailbox.email)
            if isinstance(call, Fetch):
                receipt, mail = await self._work.fetch(token, call.user_id, call.message_ids)
                if (error := receipt.unusable) is not None:
                    return CallFailed(
                        str(error), receipt.units, retry_after_s=error.retry_after_s, kind=wait_kind(error)
                    )
                outcome, newest = fetched(receipt, mail), max(receipt.history_ids, default=0)
                if newest > mailbox.known_history_id + _JUMP:
                    present, units = await self._present(token), shard.quota.cost(Pin(call.user_id))
                    return without(outcome, receipt.history_ids, present, units)
                return outcome
            if isinstance(call, Pin):
                profile, labels = await self._work.pin(token)
                return await asyncio.to_thread(self._pinned, call.user_id, profile, labels)
            if isinstance(call, ReadLabels):
                return LabelsRead(
                    await asyncio.to_thread(self._save_labels, call.user_id, await self._work.labels(token))
                )
            if isinstance(call, Confirm):
                second = await self._work.confirm(token, call.since, call.label_id)
                return Confirmed(second.total, second.added, second.deleted, second.units, second.history_id)
            if isinstance(call, ListPage):
                return await self._list_page(shard, token, call)
            if isinstance(call, Watch):
                watching = await self._work.watch(token, self._topic)
                return Watched(watching.expires_at.timestamp())
            changes = await self._work.history(token, call.start, call.page_token)
            newest = max([changes.history_id, *(change.history_id for change in changes.changes)])
            if newest > mailbox.known_history_id + _JUMP and newest > (present := await self._present(token)):
                raise AnswerUnreadable(f"it names the history id {newest}, and the profile says {present}")
            return await self._changed(token, call, changes)
        except HistoryExpired as exc:
            if isinstance(call, ReadHistory) and call.page_token is not None:  # the token may have expired
                return CallFailed(str(exc), shard.quota.cost(call), page_refused=True)
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
                start_refused=isinstance(call, ReadHistory) and call.page_token is None and _unknown_to_gmail(exc),
                retry_after_s=getattr(exc, "retry_after_s", None),
                scope=getattr(exc, "scope", "user"),
                kind=wait_kind(exc),
            )
        except Exception as exc:  # noqa: BLE001 - a defect on one mailbox's answer must affect only that mailbox
            _LOG.exception("A call of mailbox %d fails on a defect", call.user_id)
            return CallFailed(f"This release cannot work on what Gmail answered ({exc!r:.200}): report it.")

    async def _present(self, token: SecretStr) -> int:
        """The mailbox's newest history id, from a second source."""
        profile, _ = await self._work.pin(token)
        return profile.history_id

    async def _changed(self, token: SecretStr, call: ReadHistory, page: HistoryPage) -> Changed:
        """A page of history; a message whose thread differs from the stored one is requested itself."""
        claimed = added_threads(page)
        known = await asyncio.to_thread(self._catalog.known, call.user_id, list(claimed)) if claimed else {}
        outcome = changed(call.user_id, page, known)
        differing = differing_threads(claimed, known)
        if not differing:
            return outcome
        try:
            receipt, _ = await self._work.fetch(token, call.user_id, list(differing)[:_THREADS_ASKED])
        except BackupError as exc:  # the history is valid without the thread; a reconciliation asks again
            _LOG.warning("The threads of %d messages are not certain: %s", len(differing), exc)
            return outcome
        said = dict(zip(receipt.landed, receipt.thread_ids, strict=True))
        return replace(outcome, threads=agreeing_threads(differing, said), units=receipt.units)

    async def _list_page(self, shard: Shard, token: SecretStr, call: ListPage) -> Listed:
        try:
            page = await self._work.list_page(token, call.page_token, call.label_id)
        except (GmailRefused, NotFound) as exc:
            # A label that was deleted after the pin is on no message.
            if call.label_id is None or call.page_token is not None or not _unknown_to_gmail(exc):
                raise
            return Listed((), None)
        if call.label_id is not None:
            return Listed((), page.next_page_token, tuple(page.ids), page.unreadable)
        known = await asyncio.to_thread(self._catalog.known, call.user_id, page.ids)
        unknown = tuple(key for key in page.ids if key not in known)
        threads: tuple[tuple[int, int], ...] = ()
        units = 0
        if differing := differing_threads(page.threads(), known):  # a listing may be wrong, too: it is read twice
            second = await self._work.list_page(token, call.page_token, None)
            threads, units = agreeing_threads(differing, second.threads()), shard.quota.cost(call)
        return Listed(unknown, page.next_page_token, tuple(page.ids), page.unreadable, threads, units)

    def _pinned(self, user_id: int, profile: Profile, labels: Sequence[Label]) -> Pinned:
        """Labels that Gmail's answer lacks are listed, too, while stored messages carry them: it may be incomplete."""
        label_ids = self._save_labels(user_id, labels)
        carried = self._catalog.carried_labels(user_id)
        return Pinned(profile.history_id, profile.messages_total, tuple(dict.fromkeys([*label_ids, *carried])))

    def _save_labels(self, user_id: int, labels: Sequence[Label]) -> tuple[str, ...]:
        rows = [LabelRow(label.id, label.name, label.type, label.visibility, label.color) for label in labels]
        self._catalog.save_labels(user_id, rows)
        return tuple(label.id for label in labels)

    def _compare(self, call: Compare) -> Compared:
        stored = self._catalog.stored_labels(call.user_id, call.pinned)
        return Compared(differences(call.user_id, call.pinned, call.listed, stored))


def _unknown_to_gmail(error: BackupError) -> bool:
    """Whether Gmail reports that the call's label or page token does not exist."""
    return isinstance(error, NotFound) or (isinstance(error, GmailRefused) and error.status == 400)
