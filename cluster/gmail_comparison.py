"""Compares a mailbox's backup with Gmail: the ids of all messages and of each label's, by listing, 500 per call.

The backup is brought up to date before and after the listing. Only what neither of its two states explains is a
difference: mail that arrives or changes meanwhile is none. No message is fetched. Sizes are not compared, because Gmail
tells them only message by message.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from actors.decisions import Mode
from cluster.restore_planning import brought_up_to_date
from cluster.restore_ports import Machine, OwnerQuota, TargetCalls, TargetTokens
from cluster.stores import Stores
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import NotFound
from jobs.gmail.quota_costs import cost
from jobs.gmail.transport import Transport
from jobs.gmail.writes import GmailWriter
from storage.model.records import StoredLabels, User

#: Ids in one answer of a listing.
_PAGE = 500
_LAST_HISTORY_ID = (1 << 63) - 1

OnCalls = Callable[[int], None]
"""Told of listings that were made."""


@dataclass(frozen=True, slots=True)
class GmailReader:
    """What a comparison works with. sync: asks for a sync of the mailbox."""

    calls: TargetCalls
    sync: Callable[[], Any]


@dataclass(slots=True)
class Differences:
    """What Gmail and the backup disagree about. messages: number that Gmail lists; labels: number compared.

    missing: ids that the backup lacks, waiting: those of them that it is going to fetch; surplus: ids that Gmail has
    no longer although the backup says so; put_on, taken_off: label -> ids of messages that carry it in Gmail only, and
    in the backup only.
    """

    messages: int = 0
    labels: int = 0
    missing: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    surplus: set[int] = field(default_factory=set)
    put_on: dict[str, set[int]] = field(default_factory=dict)
    taken_off: dict[str, set[int]] = field(default_factory=dict)

    @property
    def are_none(self) -> bool:
        """Whether ids and labels are equal."""
        return not (self.missing or self.surplus or self.put_on or self.taken_off)


@asynccontextmanager
async def gmail_reader(stores: Stores, user: User) -> AsyncIterator[GmailReader]:
    """Open what a comparison needs. This process is connected to the cluster, whose owners have the quota."""
    from actors.remote.client import ShardClient
    from actors.tokens import Tokens

    client = ShardClient()
    config = await client.gmail(user.shard_id)
    tokens = Tokens(stores.control, stores.sealer, config)
    async with reader_of(config, client, tokens, user) as reader:
        yield reader


@asynccontextmanager
async def reader_of(config: GmailConfig, client: Any, tokens: Any, user: User) -> AsyncIterator[GmailReader]:
    """The same of an owner's client (`actors.remote.client.ShardClient`) and tokens (`actors.tokens.Tokens`)."""
    machine, transport = Machine(2), Transport(config)
    try:
        writer = GmailWriter(config, transport)
        calls = TargetCalls(writer, OwnerQuota(client, user), TargetTokens(tokens, user), machine)
        yield GmailReader(calls, lambda: client.request(user, Mode.INCREMENTAL))
    finally:
        machine.close()
        transport.close()


def units_of(config: GmailConfig, stored: StoredLabels) -> int:
    """Quota units that a comparison needs about: what the backup has is listed once, and once per label."""
    living = sum(not deleted for deleted in stored.deleted)
    pages = ceil(max(living, 1) / _PAGE) + sum(ceil(max(len(rows), 1) / _PAGE) for rows in stored.rows.values())
    few = cost(config.profile, "labels.list", 1, config.cost_overrides)
    few += cost(config.profile, "getProfile", 2, config.cost_overrides)
    return few + cost(config.profile, "messages.list", pages, config.cost_overrides)


def stored(stores: Stores, user: User) -> StoredLabels:
    """Ids and labels as the backup has them now."""
    return stores.catalog(user).stored_labels(user.user_id, _LAST_HISTORY_ID)


async def compare(stores: Stores, user: User, gmail: GmailReader, sync_s: float, on_calls: OnCalls) -> Differences:
    """Compare a mailbox with Gmail.

    Args:
        sync_s: seconds to wait for the backup to be brought up to date, twice.

    Raises:
        GmailError, DatabaseUnreachable.
    """
    await _up_to_date(stores, user, gmail, sync_s)
    before = await asyncio.to_thread(stored, stores, user)
    there = await gmail.calls.ids()
    on_calls(ceil(max(len(there), 1) / _PAGE))
    labels = {label.id for label in await gmail.calls.labels()}
    carried = {label: await _carrying(gmail, label, on_calls) for label in sorted(labels | before.rows.keys())}
    await _up_to_date(stores, user, gmail, sync_s)
    after = await asyncio.to_thread(stored, stores, user)
    failed = await asyncio.to_thread(_failed, stores, user)
    return differences(there, carried, (before, after), failed)


def differences(
    there: set[int], carried: Mapping[str, set[int]], states: tuple[StoredLabels, StoredLabels], failed: set[int]
) -> Differences:
    """What neither state of the backup explains.

    Args:
        there: ids that Gmail lists; carried: label -> those that carry it.
        failed: ids that the backup is going to fetch.
    """
    living = [_living(state) for state in states]
    missing = there - living[0] - living[1]
    found = Differences(len(there), len(carried), missing, missing & failed, (living[0] & living[1]) - there)
    both = there & living[0] & living[1]
    for label, ids in carried.items():
        mine = [_with(state, label) for state in states]
        if put_on := (ids - mine[0] - mine[1]) & both:
            found.put_on[label] = put_on
        if taken_off := (mine[0] & mine[1] & both) - ids:
            found.taken_off[label] = taken_off
    return found


async def _up_to_date(stores: Stores, user: User, gmail: GmailReader, sync_s: float) -> None:
    reader = stores.reader(user)
    await brought_up_to_date(gmail.sync, lambda: state.synced_at if (state := reader.state()) else None, sync_s)


async def _carrying(gmail: GmailReader, label: str, on_calls: OnCalls) -> set[int]:
    """The ids of the messages that carry a label; of one that Gmail has no longer, none."""
    try:
        return await gmail.calls.carrying(label, lambda: on_calls(1))
    except NotFound:
        return set()


def _living(state: StoredLabels) -> set[int]:
    return {message_id for message_id, deleted in zip(state.message_ids, state.deleted, strict=True) if not deleted}


def _with(state: StoredLabels, label: str) -> set[int]:
    return {state.message_ids[row] for row in state.rows.get(label, array("q"))}


def _failed(stores: Stores, user: User) -> set[int]:
    items = stores.catalog(user).failed(user.shard_id)
    return {item.message_id for item in items if item.user_id == user.user_id}
