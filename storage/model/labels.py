"""Folds label changes into a message's current state and the events to log. Pure.

Gmail's history ids order the changes of a mailbox, and of each label of each message the change with the highest id
decides. A change is dropped when it is older than the message's fetch, or than the last change of the same label of the
same message, whether that turned the label over or only repeated its state: reading history twice changes nothing, and
a record that Gmail tells late is still applied, although changes of other labels after it were.

An event of the log is a change that turned a label over (put it on where it was off, or took it off where it was on),
and there is at most one per message, label and history id, but for what a reconciliation mends. So the events of one
label of one message, in the order of their history ids (of one id: of their times), are on and off in turn, and each
can be undone. An event is newer than all events of its label that were logged before it, so that this is also the order
of their times. storage/mailbox/as_of.py builds on both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from storage.model.records import DELETED, LabelChange


@dataclass(frozen=True, slots=True)
class LabelState:
    """What a message carries now.

    history_id: of the last change that is reflected. fetched_id: of the fetch; None: unknown, taken for `history_id`.
    last: label -> history id of its last event; a label that has none is as of the fetch.
    confirmed: label -> history id of its last change, where that repeated the state and is no event.
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
        """Whether a change is older than what is known of its label."""
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
