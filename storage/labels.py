"""The fold of label changes into a message's present state. Pure.

Gmail's history ids order the changes of a mailbox, so a change older than what a message already reflects is
dropped: reading history twice, or from before the message was fetched, changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.records import DELETED, LabelChange


@dataclass(frozen=True, slots=True)
class LabelState:
    """What a message carries now. `history_id`: of the last change that is reflected."""

    labels: frozenset[str]
    history_id: int
    deleted: bool


def fold(state: LabelState, changes: Sequence[LabelChange]) -> tuple[LabelState, list[LabelChange]]:
    """Apply changes of one message in the order of their history ids.

    Returns:
        The new state, and the changes that were newer than the old one, in order: the events to append.
    """
    labels, deleted, newest = set(state.labels), state.deleted, state.history_id
    applied = []
    for change in sorted(changes, key=lambda change: change.history_id):
        if change.history_id <= state.history_id:
            continue
        applied.append(change)
        newest = change.history_id
        if change.label_id == DELETED:
            deleted = change.on
        elif change.on:
            labels.add(change.label_id)
        else:
            labels.discard(change.label_id)
    return LabelState(frozenset(labels), newest, deleted), applied
