"""Plans a restore: what is selected, what the target has already, and what each label is there.

Reads the archive, and lists the target at Gmail; writes nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from cluster.restore_ports import TargetCalls
from cluster.stores import Stores
from jobs.gmail.errors import AnswerUnreadable, NotFound
from jobs.gmail.records import Label
from jobs.restoring.labels import LabelStep, plan_labels
from jobs.restoring.planning import TargetMessage, planned, threads_of
from storage.control.restore_records import RestoreMessage, Selection
from storage.control.restores import Restores
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.model.message_id import from_hex, to_hex
from storage.model.records import User
from storage.model.results import Stored

_LOG = logging.getLogger(__name__)
_BATCH = 2000


class TargetUnknown(BackupError):
    """The target has mail that its backup does not know, so it cannot be told what it has already. Back it up first."""

    def __init__(self, email: str, count: int) -> None:
        super().__init__(email, count)
        self.email, self.count = email, count

    def __str__(self) -> str:
        return (
            f"{self.email} has {self.count:,} messages that are not backed up, so what it has already is not known: "
            f"run `gbm sync {self.email} --wait`, then restore again."
        )


class Digests(Protocol):
    """Tells what a message of the target is. `TargetCalls` is one."""

    async def digest(self, message_id: int) -> tuple[bytes, int]:
        """SHA-256 of its bytes, and its thread. Raises NotFound, AnswerUnreadable."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore will do. held: what the target has now, by id."""

    messages: list[RestoreMessage]
    threads: dict[int, int]
    held: dict[int, TargetMessage]


async def plan(
    stores: Stores, source: User, target: User, selection: Selection, calls: TargetCalls, unknown_most: int
) -> Plan:
    """Plan a restore.

    Raises:
        TargetUnknown, InvalidQuery, GmailError, DatabaseUnreachable.
    """
    selected = await asyncio.to_thread(lambda: list(_selected(stores, source, selection)))
    held, unknown, unlisted = await target_mail(stores, target, calls)
    if len(unknown) > unknown_most:
        raise TargetUnknown(target.email, len(unknown))
    held |= await fetched(unknown, calls)
    held |= await living(selected, unlisted, calls, unknown_most)
    same = source.user_id == target.user_id
    earlier = await asyncio.to_thread(Restores(stores.databases.control).earlier, source, target)
    messages = planned(selected, held, same, selection.relabel, earlier)
    return Plan(messages, threads_of(messages, held, same), held)


async def fetched(unknown: Iterable[int], calls: "Digests") -> dict[int, TargetMessage]:
    """Messages that the target's backup does not know yet. One that cannot be read stands for no selected message."""
    found = {}
    for message_id in sorted(unknown):
        try:
            digest, thread_id = await calls.digest(message_id)
        except NotFound:  # it went meanwhile
            continue
        except AnswerUnreadable as exc:  # it would be so at every attempt
            _LOG.warning("Message %s of the target is left out of the comparison: %s", to_hex(message_id), exc.reason)
            continue
        found[message_id] = TargetMessage(digest, thread_id)
    return found


async def living(
    selected: Iterable[RestoreMessage], unlisted: Mapping[int, TargetMessage], calls: "Digests", most: int
) -> dict[int, TargetMessage]:
    """Messages that the target has although its listing lacks them; only of those that a selected message may be.

    Beyond `most` the listing is believed, if it was right about `most`.

    Raises:
        AnswerUnreadable: it was not.
    """
    wanted = {message.sha256 for message in selected}
    doubtful = sorted(key for key, has in unlisted.items() if has.sha256 in wanted)
    found = {}
    for message_id in doubtful[:most]:
        try:
            await calls.digest(message_id)
        except NotFound:
            continue
        except AnswerUnreadable as exc:
            _LOG.warning("Message %s of the target is there and cannot be read: %s", to_hex(message_id), exc.reason)
        found[message_id] = unlisted[message_id]
    if found and len(doubtful) > most:
        raise AnswerUnreadable(f"a listing lacks {len(found)} of {most} messages that the mailbox has")
    return found


async def target_mail(
    stores: Stores, target: User, calls: TargetCalls
) -> tuple[dict[int, TargetMessage], set[int], dict[int, TargetMessage]]:
    """What the target has now by its own listing, as its backup knows it; ids that the backup does not know; and what
    the backup knows, as living, but the listing lacks.

    Raises:
        GmailError, DatabaseUnreachable.
    """
    there = await calls.ids()
    known = await asyncio.to_thread(_digests, stores, target)
    held = {message_id: known.pop(message_id) for message_id in there if message_id in known}
    return held, there - held.keys(), known


async def label_steps(
    stores: Stores, source: User, selection: Selection, messages: Iterable[RestoreMessage], calls: TargetCalls
) -> list[LabelStep]:
    """What each label of the messages is in the target."""
    defined = await asyncio.to_thread(_labels, stores, source, selection)
    used = {label for message in messages if message.state != "present" for label in message.labels}
    wanted = [label for label in defined if label.id in used]
    unnamed = used - {label.id for label in defined}
    wanted += [Label(name, name, "user" if name.startswith("Label_") else "system") for name in sorted(unnamed)]
    return plan_labels(wanted, await calls.labels(), defined)


def raw_of(stores: Stores, source: User, selection: Selection) -> Callable[[RestoreMessage], bytes]:
    """Reads the exact bytes of a message of the archive, verified. Raises FileDamaged."""
    reader = stores.reader(source)

    def raw(message: RestoreMessage) -> bytes:
        found = reader.raw(message.message_id, selection.as_of)
        if found is None:
            found = reader.raw(message.message_id)
        assert found is not None, "the archive keeps what it has stored"
        return found

    return raw


async def brought_up_to_date(
    request: Callable[[], Awaitable[None]], synced_at: Callable[[], datetime | None], timeout_s: float
) -> bool:
    """Have the target synced before it is compared; False: it took too long, or cannot be done now."""
    before = await asyncio.to_thread(synced_at)
    try:
        await request()
    except BackupError:
        return False
    for _ in range(int(timeout_s / 0.25) + 1):
        if await asyncio.to_thread(synced_at) != before:
            return True
        await asyncio.sleep(0.25)
    return False


def _selected(stores: Stores, source: User, selection: Selection) -> Iterator[RestoreMessage]:
    reader = stores.reader(source)
    at = selection.as_of or reader.present()
    thread = from_hex(selection.thread) if selection.thread else None
    if selection.deleted_since is None:
        for batch in reader.select(selection.query, at, False, _BATCH):
            yield from (_message(each) for each in batch if thread in (None, each.thread_id))
        return
    since = selection.deleted_since
    gone = {
        each.message_id: each
        for batch in reader.select(selection.query, at, True, _BATCH)
        for each in batch
        if each.deleted_at is not None and each.deleted_at > since and thread in (None, each.thread_id)
    }
    # As they were before it happened: deleted mail mostly goes by way of the Trash.
    for batch in reader.select("", since, False, _BATCH):
        for each in batch:
            if gone.pop(each.message_id, None) is not None:
                yield _message(each)
    for each in gone.values():  # it came after that time, and went
        yield replace(_message(each), labels=tuple(label for label in each.labels if label != "TRASH"))


def _message(stored: Stored) -> RestoreMessage:
    return RestoreMessage(
        stored.message_id,
        0,
        stored.thread_id,
        stored.received_at,
        stored.location.sha256,
        stored.size_bytes,
        tuple(sorted(stored.labels)),
    )


def _labels(stores: Stores, source: User, selection: Selection) -> list[Label]:
    """The archive's labels as they were defined at the time that is restored."""
    at = selection.as_of or selection.deleted_since or stores.reader(source).present()
    engine = stores.databases.shard_database(stores.shards[source.shard_id])
    with transaction(engine) as connection:
        rows = connection.execute(query("labels_as_of"), {"user_id": source.user_id, "as_of": at})
        return [Label(row.label_id, row.name, row.type, row.visibility, row.color) for row in rows]


def _digests(stores: Stores, target: User) -> dict[int, TargetMessage]:
    engine = stores.databases.shard_database(stores.shards[target.shard_id])
    with transaction(engine) as connection:
        rows = connection.execute(query("digests_of_user"), {"user_id": target.user_id})
        return {row.message_id: TargetMessage(bytes(row.sha256), row.thread_id, frozenset(row.labels)) for row in rows}
