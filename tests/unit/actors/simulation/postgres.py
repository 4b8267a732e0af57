"""A model of the shards' database: what storage/catalog/catalog.py and storage/catalog/leases.py promise, in memory."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from storage.catalog.catalog import AlreadyStored
from storage.catalog.compaction import CompactionOutdated
from storage.catalog.leases import Lease, LeaseLost
from storage.model.labels import LabelState, fold
from storage.model.message_id import from_hex
from storage.model.records import (
    THREAD,
    Commit,
    FailedItem,
    LabelChange,
    LiveSegment,
    MailboxRecord,
    Phase,
    StoredLabels,
)
from tests.unit.actors.simulation.gmail import Copy


class ModelPostgres:
    """The rows of all shards. `commit` is one transaction: all or nothing."""

    def __init__(self) -> None:
        self.epochs: Counter[int] = Counter()  # shard -> its lease's
        self.mailboxes: dict[int, MailboxRecord] = {}
        self.messages: dict[tuple[int, int], Copy] = {}
        self.states: dict[tuple[int, int], LabelState] = {}
        self.threads: dict[tuple[int, int], int] = {}
        self.failed: dict[tuple[int, int], FailedItem] = {}
        self.segments: set[str] = set()  # every name that was ever committed
        # Of each shard: live segment -> its messages.
        self.contents: defaultdict[int, dict[str, frozenset[tuple[int, int]]]] = defaultdict(dict)
        self.synced: dict[int, int] = {}
        self.log: list[LabelChange] = []  # as label_events
        self.unreadable: set[tuple[int, str]] = set()
        self.refused = 0  # commits under an epoch that was over
        self.committed_by: list[tuple[int, int]] = []  # (epoch of the commit, epoch of the lease then)

    def acquire(self, shard_id: int = 0) -> Lease:
        """A shard under a new epoch."""
        self.epochs[shard_id] += 1
        return Lease(shard_id, f"owner {self.epochs[shard_id]}", self.epochs[shard_id])

    def open_mailbox(self, user_id: int) -> MailboxRecord:
        """As `Catalog.open_mailbox`."""
        record = self.mailboxes.setdefault(user_id, MailboxRecord(user_id, f"{user_id}@example.com"))
        phase, resume = record.phase, record.resume
        if phase is Phase.REVOKED:
            phase, resume = resume or (Phase.NEW if record.cursor is None else Phase.CURRENT), None
        self.mailboxes[user_id] = replace(record, phase=phase, resume=resume, error=None)
        return self.mailboxes[user_id]

    def failed_of(self, user_id: int) -> list[FailedItem]:
        """The failed items of a mailbox."""
        return [item for item in self.failed.values() if item.user_id == user_id]

    def unknown(self, user_id: int, message_ids: Sequence[int]) -> list[int]:
        """As `Catalog.unknown`."""
        return self.look(user_id, message_ids)[0]

    def known(self, user_id: int, message_ids: Sequence[int]) -> dict[int, tuple[int, bool]]:
        """As `Catalog.known`."""
        states = {key: self.states[user_id, key] for key in message_ids if (user_id, key) in self.states}
        return {key: (self.threads[user_id, key], state.deleted) for key, state in states.items()}

    def look(self, user_id: int, message_ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Those of the messages that are not stored, and those that count as deleted."""
        states = {key: self.states.get((user_id, key)) for key in message_ids}
        return [key for key, state in states.items() if state is None], [
            key for key, state in states.items() if state is not None and state.deleted
        ]

    def carried_labels(self, user_id: int) -> list[str]:
        """As `Catalog.carried_labels`."""
        return sorted({label for key, state in self.states.items() if key[0] == user_id for label in state.labels})

    def stored_labels(self, user_id: int, before: int) -> StoredLabels:
        """As `Catalog.stored_labels`."""
        states = {
            message_id: state
            for (owner_id, message_id), state in self.states.items()
            if owner_id == user_id and state.history_id <= before
        }
        rows: dict[str, array[int]] = {}
        for row, state in enumerate(states.values()):
            for label in sorted(state.labels):
                rows.setdefault(label, array("q")).append(row)
        return StoredLabels(array("q", states), [state.deleted for state in states.values()], rows)

    def fence(self, shard_id: int, epoch: int) -> None:
        """As `leases.fence`."""
        if epoch != self.epochs[shard_id]:
            self.refused += 1
            raise LeaseLost(shard_id, epoch)

    def live(self, shard_id: int) -> list[LiveSegment]:
        """As `Compactions.live`; a message has a hundred bytes."""
        return [LiveSegment(name, len(keys), 100 * len(keys), 0) for name, keys in self.contents[shard_id].items()]

    def compact(
        self, shard_id: int, epoch: int, name: str, parts: Sequence[str], keys: frozenset[tuple[int, int]]
    ) -> None:
        """As `Compactions.commit`. `keys`: the messages that the parts had when they were merged."""
        self.fence(shard_id, epoch)
        if name in self.segments:
            return
        contents = self.contents[shard_id]
        if gone := [part for part in parts if part not in contents]:
            raise CompactionOutdated(shard_id, tuple(gone))
        self.segments.add(name)
        for part in parts:
            contents.pop(part, None)
        contents[name] = keys

    def commit(self, plan: Commit, index: Sequence[Copy]) -> None:
        """As `Catalog.commit`."""
        self.fence(plan.shard_id, plan.epoch)
        if plan.segment is not None:
            if plan.segment.name in self.segments:
                return
            assert len(index) == plan.segment.messages, "the index has a row per message"
            keys = [(copy.user_id, copy.message_id) for copy in index]
            stored = frozenset(key for key in keys if key in self.messages)
            if stored or len(set(keys)) != len(keys):
                raise AlreadyStored(stored)
            told = {update.user_id for update in plan.mailboxes}
            assert {user_id for user_id, _ in keys} <= told, "mail of a mailbox that the commit does not update"
            self.segments.add(plan.segment.name)
            self.contents[plan.shard_id][plan.segment.name] = frozenset(keys)
            for key, copy in zip(keys, index, strict=True):
                self.messages[key] = copy
                self.threads[key] = copy.thread_id
                self.states[key] = LabelState(copy.labels, copy.history_id, False, copy.history_id)
        self.committed_by.append((plan.epoch, self.epochs[plan.shard_id]))
        self._fold(plan)
        for update in plan.mailboxes:
            record = self.mailboxes[update.user_id]
            self.mailboxes[update.user_id] = replace(
                record,
                phase=update.phase,
                resume=update.resume,
                cursor=update.cursor,
                pinned=update.pinned,
                estimate=update.estimate,
                error=update.error,
                reading_from=update.reading_from,
            )
            self.synced[update.user_id] = self.synced.get(update.user_id, 0) + update.synced
        for item in plan.failed:
            self.failed[item.user_id, item.message_id] = item
        self.unreadable |= {(item.user_id, item.item) for item in plan.unreadable}
        for key in plan.settled:
            self.failed.pop(key, None)

    def _fold(self, plan: Commit) -> None:
        by_message: dict[tuple[int, int], list[int]] = {}
        for number, change in enumerate(plan.changes):
            if change.label_id.startswith(THREAD):
                if (change.user_id, change.message_id) in self.threads:
                    thread_id = from_hex(change.label_id.removeprefix(THREAD))
                    self.threads[change.user_id, change.message_id] = thread_id
                continue
            by_message.setdefault((change.user_id, change.message_id), []).append(number)
        for key, numbers in by_message.items():
            if key in self.states:  # messages that are not stored are passed over
                after, events = fold(self.states[key], [plan.changes[number] for number in numbers])
                last = {**after.last, **{event.label_id: event.history_id for event in events}}
                self.states[key] = replace(after, last=last)
                self.log += events
