"""Fetches one batch of one mailbox: the mail as an Arrow table, and a small receipt that accounts for every id.

The table stays where the task ran (Ray's object store); only the receipt travels to the shard that asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from jobs.gmail.client import client_of
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import GmailRefused, NotFound, Throttled
from jobs.gmail.quota_costs import cost
from jobs.gmail.records import ItemFailure, MessageAdded, MessageDeleted, RawMessage
from storage.model.schemas import DOUBTS, FETCHED
from storage.model.storable import moment

_CONFIRM_PAGES = 10


@dataclass(frozen=True, slots=True)
class FetchReceipt:
    """What became of every id: each is in exactly one of landed, gone and failures."""

    landed: tuple[int, ...]
    gone: tuple[int, ...]
    failures: tuple[ItemFailure, ...]
    size_bytes: int
    units: int
    throttled: Throttled | None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a second source says of a listing. total: messages; added, deleted: since the listing began."""

    total: int
    added: tuple[int, ...]
    deleted: tuple[int, ...]
    units: int


def confirm(config: GmailConfig, token: str, since: int, label_id: str | None) -> Confirmation:
    """Ask how many messages there are: by the profile and the history since the listing, or by the label.

    The history is read up to the profile's history id, in `_CONFIRM_PAGES` pages at most: what is beyond makes the
    listing seem to disagree, and a mailbox that changes so fast is listed again.

    Raises:
        As `GmailClient`; HistoryExpired.
    """
    client = client_of(config)
    if label_id is not None:
        try:
            total = client.label_total(token, label_id)
        except (NotFound, GmailRefused) as exc:
            if isinstance(exc, GmailRefused) and exc.status != 400:
                raise
            total = 0  # there is no such label any more
        return Confirmation(total, (), (), _units(config, "labels.get", 1))
    profile = client.profile(token)
    added: dict[int, None] = {}
    deleted: dict[int, None] = {}
    page_token, pages = None, 0
    while pages < _CONFIRM_PAGES and profile.history_id > since:
        page = client.history(token, since, page_token)
        pages += 1
        for change in page.changes:
            if change.history_id > profile.history_id:
                continue
            if isinstance(change, MessageAdded):
                added[change.message_id] = None
            elif isinstance(change, MessageDeleted):
                deleted[change.message_id] = None
        page_token = page.next_page_token
        if page_token is None:
            break
    units = _units(config, "getProfile", 1) + _units(config, "history.list", pages)
    return Confirmation(profile.messages_total, tuple(added), tuple(deleted), units)


def _units(config: GmailConfig, method: str, calls: int) -> int:
    return cost(config.profile, method, calls, config.cost_overrides)


def fetch(config: GmailConfig, token: str, user_id: int, message_ids: Sequence[int]) -> tuple[FetchReceipt, pa.Table]:
    """Fetch messages of a mailbox.

    Returns:
        The receipt, and the landed messages as schemas.FETCHED (and DOUBTS) in the receipt's order.

    Raises:
        TokenRejected, GmailRefused: the whole call was turned away.
    """
    result = client_of(config).fetch(token, message_ids)
    table = _table(user_id, result.messages)
    receipt = FetchReceipt(
        landed=tuple(message.id for message in result.messages),
        gone=tuple(result.gone),
        failures=tuple(result.failures),
        size_bytes=sum(len(message.raw) for message in result.messages),
        units=result.units,
        throttled=result.throttled,
    )
    return receipt, table


def _table(user_id: int, messages: Sequence[RawMessage]) -> pa.Table:
    table = _of_fetched(user_id, messages)
    if any(message.defects for message in messages):
        table = table.append_column(DOUBTS, pa.array([list(message.defects) for message in messages], DOUBTS.type))
    return table


def _of_fetched(user_id: int, messages: Sequence[RawMessage]) -> pa.Table:
    return pa.table(
        {
            "user_id": pa.array([user_id] * len(messages), pa.int64()),
            "message_id": pa.array([message.id for message in messages], pa.int64()),
            "thread_id": pa.array([message.thread_id for message in messages], pa.int64()),
            "history_id": pa.array([message.history_id for message in messages], pa.int64()),
            "received_at": pa.array(
                [moment(message.internal_date_ms) for message in messages],
                FETCHED.field("received_at").type,
            ),
            "labels": pa.array([list(message.labels) for message in messages], pa.list_(pa.string())),
            "snippet": pa.array([message.snippet for message in messages], pa.string()),
            "raw": pa.array([message.raw for message in messages], pa.large_binary()),
        },
        schema=FETCHED,
    )
