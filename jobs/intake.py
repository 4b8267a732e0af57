"""Fetches one batch of one mailbox: the mail as an Arrow table, and a small receipt that accounts for every id.

The table stays where the task ran (Ray's object store); only the receipt travels to the shard that asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from jobs.gmail.client import client_of
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import Throttled
from jobs.gmail.records import ItemFailure, RawMessage
from storage.schemas import DOUBTS, FETCHED
from storage.storable import moment


@dataclass(frozen=True, slots=True)
class FetchReceipt:
    """What became of every id: each is in exactly one of landed, gone and failures."""

    landed: tuple[int, ...]
    gone: tuple[int, ...]
    failures: tuple[ItemFailure, ...]
    size_bytes: int
    units: int
    throttled: Throttled | None


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
