"""The fold of label changes into a message's present state, and the log of it. Pure.

Gmail's history ids order the changes of a mailbox, so a change older than what a message already reflects is
dropped: reading history twice, or from before the message was fetched, changes nothing.

An event of the log is a change that turned a label over (put it on where it was off, or took it off where it was on),
and there is at most one per message, label and history id. So the events of one label of one message, in the order of
their history ids, are on and off in turn, and each can be undone: storage/mailbox/as_of.py builds on that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.model.records import DELETED, LabelChange


@dataclass(frozen=True, slots=True)
class LabelState:
    """What a message carries now. `history_id`: of the last change that is reflected."""

    labels: frozenset[str]
    history_id: int
    deleted: bool


def fold(state: LabelState, changes: Sequence[LabelChange]) -> tuple[LabelState, list[LabelChange]]:
    """Apply changes of one message in the order of their history ids.

    Returns:
        The new state, and the changes that turned a label over, in order: the events to append. A change that says
        what is so already is none, nor are two under one history id that cancel each other.
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
