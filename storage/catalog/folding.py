"""Folds label changes into the message index, and logs what they turned over. Called within the catalogue's commit.

A change of a message's thread is applied whatever its history id, because Gmail's history has no record of it: the
caller has made sure of it with a second source. A message's classification labels are only logged: they are read from
the log, which the archive's roll-ups contain.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import orjson
from sqlalchemy import Connection

from storage.db.sql_files import query
from storage.model.labels import LabelState, fold
from storage.model.message_id import from_hex
from storage.model.records import CLASSIFICATION, DELETED, THREAD, LabelChange

_UNIT_SEPARATOR = "\x1f"


def fold_changes(connection: Connection, changes: Sequence[LabelChange]) -> list[LabelChange]:
    """Fold label changes into the index and log what they turned over. Messages not stored are passed over.

    Returns:
        The changes that took effect: of labels, deletions and threads.
    """
    moved = _mend_threads(connection, [change for change in changes if change.label_id.startswith(THREAD)])
    _log(connection, [change for change in changes if change.label_id.startswith(CLASSIFICATION)])
    changes = [change for change in changes if not change.label_id.startswith((THREAD, CLASSIFICATION))]
    if not changes:
        return moved
    by_message: dict[tuple[int, int], list[LabelChange]] = defaultdict(list)
    for change in changes:
        by_message[change.user_id, change.message_id].append(change)
    rows = connection.execute(query("messages_locked"), keys_of(by_message)).all()
    late = [
        (row.user_id, row.message_id)
        for row in rows
        if any(change.history_id <= row.history_id for change in by_message[row.user_id, row.message_id])
    ]
    last: dict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for event in connection.execute(query("label_events_last"), keys_of(late)) if late else ():
        last[event.user_id, event.message_id][event.label_id] = event.history_id
    changed: list[tuple[int, int, LabelState, bool]] = []
    events: list[LabelChange] = []
    for row in rows:
        known = last.get((row.user_id, row.message_id), {})
        deleted = row.deleted_at is not None
        confirmed = row.confirmed or {}
        before = LabelState(frozenset(row.labels), row.history_id, deleted, row.fetched_history_id, known, confirmed)
        after, applied = fold(before, by_message[row.user_id, row.message_id])
        if after != before:
            redeleted = after.deleted and any(event.label_id == DELETED for event in applied)
            changed.append((row.user_id, row.message_id, after, redeleted))
            events += applied
    if not changed:
        return moved
    connection.execute(
        query("messages_relabel"),
        {
            "user_ids": [user_id for user_id, _, _, _ in changed],
            "message_ids": [message_id for _, message_id, _, _ in changed],
            "labels": [_UNIT_SEPARATOR.join(sorted(after.labels)) for _, _, after, _ in changed],
            "history_ids": [after.history_id for _, _, after, _ in changed],
            "confirmed": [
                orjson.dumps(after.confirmed).decode() if after.confirmed else None for _, _, after, _ in changed
            ],
            "deleted": [after.deleted for _, _, after, _ in changed],
            "redeleted": [redeleted for _, _, _, redeleted in changed],
        },
    )
    _log(connection, events)
    return [*moved, *events]


def _mend_threads(connection: Connection, changes: Sequence[LabelChange]) -> list[LabelChange]:
    """Move messages to the threads that Gmail says they belong to, and log those that moved."""
    if not changes:
        return []
    last = {(change.user_id, change.message_id): change for change in changes}
    threads = [from_hex(change.label_id.removeprefix(THREAD)) for change in last.values()]
    moved = connection.execute(query("messages_rethread"), {**keys_of(last), "thread_ids": threads}).all()
    mended = [last[row.user_id, row.message_id] for row in moved]
    _log(connection, mended)
    return mended


def _log(connection: Connection, events: Sequence[LabelChange]) -> None:
    if not events:
        return
    connection.execute(
        query("label_events_insert"),
        {
            "user_ids": [event.user_id for event in events],
            "message_ids": [event.message_id for event in events],
            "label_ids": [event.label_id for event in events],
            "is_on": [event.on for event in events],
            "history_ids": [event.history_id for event in events],
        },
    )


def keys_of(keys: Iterable[tuple[int, int]]) -> dict[str, list[int]]:
    """(user, message) pairs as two arrays of equal length."""
    pairs = list(keys)
    return {"user_ids": [key[0] for key in pairs], "message_ids": [key[1] for key in pairs]}
