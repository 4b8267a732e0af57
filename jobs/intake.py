"""Fetches one batch of one mailbox: the mail as an Arrow table, and a small receipt that accounts for every id.

The table stays where the task ran (Ray's object store); only the receipt travels to the shard that asked.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from jobs.gmail.client import client_of
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import GmailError, GmailRefused, HistoryExpired, NotFound, Throttled
from jobs.gmail.quota_costs import cost
from jobs.gmail.records import ItemFailure, MessageAdded, MessageDeleted, RawMessage
from storage.config import ArchiveConfig
from storage.errors import BackupError
from storage.files.blobs import open_blobs
from storage.files.kept_answers import KeptAnswers
from storage.model.message_id import to_hex
from storage.model.schemas import DOUBTS, FETCHED
from storage.model.storable import moment

_LOG = logging.getLogger(__name__)

_CONFIRM_PAGES = 10

#: The total of a label of which labels.get and labels.list contradict each other: no listing agrees with it.
UNKNOWN_TOTAL = -1


@dataclass(frozen=True, slots=True)
class FetchReceipt:
    """The outcome of every id: each is in exactly one of landed, gone and failures.

    unusable: why nothing was said of any message; None: something was. history_ids, thread_ids: of the landed, in
    their order. classified: (message, its classification labels as JSON text) of those landed that have any. refetched:
    messages whose bytes disagreed with Gmail's estimate at first, and agree now.
    """

    landed: tuple[int, ...]
    gone: tuple[int, ...]
    failures: tuple[ItemFailure, ...]
    size_bytes: int
    units: int
    throttled: Throttled | None
    unusable: GmailError | None = None
    history_ids: tuple[int, ...] = ()
    thread_ids: tuple[int, ...] = ()
    classified: tuple[tuple[int, str], ...] = ()
    refetched: int = 0


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a second source reports, to check a listing. total: messages; added, deleted: since the listing began.

    history_id: the mailbox's present one, where it was asked for.
    """

    total: int
    added: tuple[int, ...]
    deleted: tuple[int, ...]
    units: int
    history_id: int | None = None


def confirm(config: GmailConfig, token: str, since: int, label_id: str | None) -> Confirmation:
    """Request the number of messages from the profile or the label, and the history since the listing.

    The history is read up to the profile's history id, in `_CONFIRM_PAGES` pages at most: what is beyond makes the
    listing seem to disagree, and a mailbox that changes so fast is listed again. History that has expired says nothing.
    A label that labels.get does not know has no messages only if labels.list does not name it either; if labels.list
    does, its total is UNKNOWN_TOTAL.

    Raises:
        As `GmailClient`.
    """
    client = client_of(config)
    present = None
    if label_id is None:
        profile = client.profile(token)
        total, present, units = profile.messages_total, profile.history_id, _units(config, "getProfile", 1)
    else:
        total, units = _label_total(config, token, label_id)
    added, deleted, pages = _changed_since(config, token, since, label_id, present)
    return Confirmation(total, added, deleted, units + _units(config, "history.list", pages), present)


def _label_total(config: GmailConfig, token: str, label_id: str) -> tuple[int, int]:
    """Number of messages with a label, and the units spent."""
    client, units = client_of(config), _units(config, "labels.get", 1)
    try:
        return client.label_total(token, label_id), units
    except (NotFound, GmailRefused) as exc:
        if isinstance(exc, GmailRefused) and exc.status != 400:
            raise
        listed = any(label.id == label_id for label in client.labels(token))
        return UNKNOWN_TOTAL if listed else 0, units + _units(config, "labels.list", 1)


def _changed_since(
    config: GmailConfig, token: str, since: int, label_id: str | None, present: int | None
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Messages added to and removed from the mailbox, or a label, after a history id; and the number of pages read."""
    client, page_token, pages = client_of(config), None, 0
    came: dict[int, bool] = {}  # message -> whether it is there now
    while pages < _CONFIRM_PAGES and (present is None or present > since):
        pages += 1
        try:
            page = client.history(token, since, page_token)
        except HistoryExpired:
            break
        for change in page.changes:
            if present is not None and change.history_id > present:
                continue
            if isinstance(change, MessageDeleted):
                came[change.message_id] = False
            elif isinstance(change, MessageAdded):
                if label_id is None or label_id in change.labels:
                    came[change.message_id] = True
            elif change.label_id == label_id:
                came[change.message_id] = change.on
        page_token = page.next_page_token
        if page_token is None:
            break
    added = tuple(key for key, there in came.items() if there)
    return added, tuple(key for key, there in came.items() if not there), pages


def _units(config: GmailConfig, method: str, calls: int) -> int:
    return cost(config.profile, method, calls, config.cost_overrides)


def fetch(
    config: GmailConfig,
    token: str,
    user_id: int,
    message_ids: Sequence[int],
    archive: ArchiveConfig | None = None,
) -> tuple[FetchReceipt, pa.Table]:
    """Fetch messages of a mailbox.

    Args:
        archive: keeps answers that cannot be read (storage/files/kept_answers.py); None: they are not kept.

    Returns:
        The receipt, and the landed messages as schemas.FETCHED (and DOUBTS) in the receipt's order.

    Raises:
        TokenRejected, GmailRefused: the whole call was turned away.
    """
    keep = None if archive is None else partial(_keep, archive, user_id)
    result = client_of(config).fetch(token, message_ids, keep)
    table = _table(user_id, result.messages)
    receipt = FetchReceipt(
        landed=tuple(message.id for message in result.messages),
        gone=tuple(result.gone),
        failures=tuple(result.failures),
        size_bytes=sum(len(message.raw) for message in result.messages),
        units=result.units,
        throttled=result.throttled,
        unusable=result.unusable,
        history_ids=tuple(message.history_id for message in result.messages),
        thread_ids=tuple(message.thread_id for message in result.messages),
        classified=tuple((message.id, message.classification) for message in result.messages if message.classification),
        refetched=result.refetched,
    )
    return receipt, table


def _keep(archive: ArchiveConfig, user_id: int, message_id: int, answer: memoryview) -> None:
    try:
        KeptAnswers(open_blobs(archive.uri)).keep(user_id, message_id, answer)
    except (OSError, BackupError) as exc:
        _LOG.warning("What Gmail answered about message %s is not kept: %s", to_hex(message_id), exc)


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
