"""Folds label changes into a message's current state and the events to log. Pure.

Gmail's history ids order the changes of a mailbox. A change that is not newer than the message's state is dropped, so
reading history twice, or history from before the fetch, has no effect.

An event records a change that flipped a label (on to off, or off to on). There is at most one event per message, label
and history id. The events of one label of one message therefore alternate between on and off in the order of their
history ids, and can be undone one by one: storage/mailbox/as_of.py relies on this.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.model.records import DELETED, LabelChange


@dataclass(frozen=True, slots=True)
class LabelState:
    """The labels that a message carries now. `history_id`: of the newest change included."""

    labels: frozenset[str]
    history_id: int
    deleted: bool


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
    for change in sorted(changes, key=lambda change: change.history_id):
        if change.history_id <= state.history_id:
            continue
        newest = change.history_id
        if change.on == (change.label_id in carried):
            continue
        carried ^= {change.label_id}
        if events.pop((change.history_id, change.label_id), None) is None:
            events[change.history_id, change.label_id] = change
    return LabelState(frozenset(carried - {DELETED}), newest, DELETED in carried), list(events.values())
