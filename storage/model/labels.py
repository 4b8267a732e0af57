"""Folds label changes into a message's current state and the events to log. Pure.

Gmail's history ids order the changes of a mailbox. For each label of a message, the change with the highest id
determines the state. A change is dropped if it is older than the message's fetch, or than the last change of the same
label and message, whether that change flipped the label or repeated its state. So reading history twice has no effect,
and a late record is applied even if newer changes of other labels were applied before.

An event of the log is a change that flipped a label (added or removed it). There is at most one event per message,
label and history id, except for repairs by a reconciliation. So the events of one label of one message, in the order of
their history ids (for equal ids, of their times), alternate between on and off, and each can be reverted. An event is
newer than all events of its label that were logged before, so this is also the order of their times.
storage/mailbox/as_of.py relies on both properties.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from storage.model.records import DELETED, LabelChange


@dataclass(frozen=True, slots=True)
class LabelState:
    """The current labels of a message.

    history_id: of the last applied change. fetched_id: of the fetch; None: unknown, `history_id` is used instead.
    last: label -> history id of its last event; a label without events has its state at the fetch.
    confirmed: label -> history id of its last change, if that change repeated the state and is not an event.
    """

    labels: frozenset[str]
    history_id: int
    deleted: bool
    fetched_id: int | None = None
    last: Mapping[str, int] = field(default_factory=dict)
    confirmed: Mapping[str, int] = field(default_factory=dict)

    def known_to(self, label_id: str) -> int:
        """History id up to which the state of a label is known."""
        fetched = self.history_id if self.fetched_id is None else self.fetched_id
        return max(fetched, self.last.get(label_id, fetched), self.confirmed.get(label_id, fetched))

    def reflects(self, change: LabelChange) -> bool:
        """Whether the state of the label already includes a change."""
        floor = self.known_to(change.label_id)
        return change.history_id < floor or (change.history_id == floor and not change.mends)


def fold(state: LabelState, changes: Sequence[LabelChange]) -> tuple[LabelState, list[LabelChange]]:
    """Apply changes of one message in the order of their history ids.

    Returns:
        The new state, and the changes that flipped a label, in order: the events to append. A change that repeats the
        current state is not an event; neither are two changes with one history id that cancel each other.
    """
    carried, newest = set(state.labels), state.history_id
    if state.deleted:
        carried.add(DELETED)
    events: dict[tuple[int, str], LabelChange] = {}
    seen: dict[str, int] = {}
    for change in sorted(changes, key=lambda change: change.history_id):
        if state.reflects(change):
            continue
        newest = max(newest, change.history_id)
        if change.history_id > state.known_to(change.label_id):
            seen[change.label_id] = change.history_id
        if change.on == (change.label_id in carried):
            continue
        carried ^= {change.label_id}
        if events.pop((change.history_id, change.label_id), None) is None:
            events[change.history_id, change.label_id] = change
    confirmed = {label: history_id for label, history_id in state.confirmed.items() if label not in seen}
    confirmed |= {label: history_id for label, history_id in seen.items() if (history_id, label) not in events}
    labels, deleted = frozenset(carried - {DELETED}), DELETED in carried
    return LabelState(labels, newest, deleted, state.fetched_id, state.last, confirmed), list(events.values())
