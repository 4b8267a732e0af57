"""The events that a commit of a shard publishes, from what the commit changed.

Mail is reported in events of up to `IDS_PER_EVENT` messages, not one event per message: a commit of 4,000 messages of
one mailbox publishes 8 `email.received` events instead of 4,000.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from storage.db.sql_files import query
from storage.events.event_type import IDS_PER_EVENT, EventData
from storage.events.mailbox_types import (
    AccountRevoked,
    AnalyticsUpdateRequired,
    EmailAnalyzed,
    EmailDeleted,
    EmailReceived,
    EmailRelabelled,
    EmailRethreaded,
    EmailUndeleted,
    MailboxMended,
    Relabelled,
    Rethreaded,
    SyncCompleted,
    SyncFailed,
    SyncProgress,
    SyncStarted,
    SyncStopped,
)
from storage.events.publishing import Publication
from storage.model.message_id import to_hex
from storage.model.records import (
    DELETED,
    THREAD,
    AnalysisManifest,
    Commit,
    LabelChange,
    MailboxUpdate,
    Phase,
    SegmentManifest,
    SegmentUser,
)

#: Changes of messages in one event: with three label ids each, 100 take about 10 KB.
_CHANGES_PER_EVENT = 100
_LONGEST_ERROR = 500

Reason = Literal["received", "deleted", "relabelled", "analyzed"]


@dataclass(frozen=True, slots=True)
class StateBefore:
    """Phase and error of a mailbox before the commit, and its address."""

    phase: Phase
    error: str | None
    email: str


def mailbox_states(connection: Connection, plan: Commit) -> dict[int, StateBefore]:
    """Phases and errors of the plan's mailboxes, by user id."""
    user_ids = [update.user_id for update in plan.mailboxes]
    if not user_ids:
        return {}
    rows = connection.execute(query("mailboxes_before"), {"user_ids": user_ids})
    return {row.user_id: StateBefore(Phase(row.phase), row.error, row.email) for row in rows}


def events_of(
    plan: Commit, index: pa.Table | None, applied: Sequence[LabelChange], before: Mapping[int, StateBefore]
) -> list[Publication]:
    """The events of a commit, in the order in which a consumer should see them.

    Args:
        index: rows of `schemas.INDEX` of the plan's segment.
        applied: changes that took effect (`folding.fold_changes`).
        before: states of the mailboxes before the commit.
    """
    shares = {share.user_id: share for share in plan.segment.users} if plan.segment else {}
    reasons: defaultdict[int, dict[Reason, None]] = defaultdict(dict)
    events: list[Publication] = []
    for update in plan.mailboxes:
        events += _of(update.user_id, _beginnings(update, before.get(update.user_id)))
    if plan.segment is not None and index is not None:
        for user_id, ids in _ids_by_user(index):
            reasons[user_id]["received"] = None
            events += [(user_id, EmailReceived(segment=plan.segment.name, ids=part)) for part in ids]
        events += _first_analysis(plan.segment, reasons)
    for user_id, changes in _by_user(applied).items():
        events += _of(user_id, _changed(changes, reasons[user_id]))
    events += [(user_id, _update(why, shares.get(user_id))) for user_id, why in reasons.items() if why]
    for update in plan.mailboxes:
        share = shares.get(update.user_id)
        events += _of(update.user_id, _outcomes(update, before.get(update.user_id), share.messages if share else 0))
    return events


def received_events(index: pa.Table, segment: str) -> list[Publication]:
    """The events of a segment's messages alone. index: rows of `schemas.INDEX`."""
    return [(user_id, EmailReceived(segment=segment, ids=part)) for user_id, ids in _ids_by_user(index) for part in ids]


def analysed_events(
    connection: Connection, segment_id: int, segment: str, analysis: AnalysisManifest
) -> list[Publication]:
    """The events of a segment's new analysis."""
    rows = connection.execute(query("segment_shares"), {"segment_id": segment_id}).all()
    events: list[Publication] = []
    for row in rows:
        events.append((row.user_id, _analyzed(segment, row.messages, analysis)))
        share = SegmentUser(row.user_id, row.messages, 0, row.first_at, row.last_at)
        events.append((row.user_id, _update({"analyzed": None}, share)))
    return events


def _of(user_id: int, events: Iterable[EventData]) -> list[Publication]:
    return [(user_id, event) for event in events]


def _ids_by_user(index: pa.Table) -> Iterator[tuple[int, list[list[str]]]]:
    """Users, and their messages' ids in hex in the order of the index, in parts for one event each."""
    users = index["user_id"].to_numpy()
    ids = index["message_id"].to_numpy()
    order = np.argsort(users, kind="stable")
    ends = np.flatnonzero(np.diff(users[order])) + 1
    for part in np.split(order, ends) if len(order) else ():
        hexes = [to_hex(number) for number in ids[part].tolist()]
        yield int(users[part[0]]), [*batched_lists(hexes, IDS_PER_EVENT)]


def _first_analysis(segment: SegmentManifest, reasons: defaultdict[int, dict[Reason, None]]) -> list[Publication]:
    if segment.analysis is None:
        return []
    for share in segment.users:
        reasons[share.user_id]["analyzed"] = None
    analysis = segment.analysis
    return [(share.user_id, _analyzed(segment.name, share.messages, analysis)) for share in segment.users]


def _analyzed(segment: str, messages: int, analysis: AnalysisManifest) -> EmailAnalyzed:
    return EmailAnalyzed(segment=segment, messages=messages, analysers=dict(analysis.versions))


def _update(why: Mapping[Reason, None], share: SegmentUser | None) -> AnalyticsUpdateRequired:
    first_at, last_at = (share.first_at, share.last_at) if share else (None, None)
    return AnalyticsUpdateRequired(reasons=[*why], first_at=first_at, last_at=last_at)


def _by_user(changes: Iterable[LabelChange]) -> dict[int, list[LabelChange]]:
    found: defaultdict[int, list[LabelChange]] = defaultdict(list)
    for change in changes:
        found[change.user_id].append(change)
    return found


def _changed(changes: Sequence[LabelChange], reasons: dict[Reason, None]) -> Iterator[EventData]:
    """Events of one mailbox's changes: the final state of every label that changed."""
    labels: dict[int, dict[str, bool]] = {}
    deleted: dict[int, bool] = {}
    threads: dict[int, str] = {}
    for change in changes:
        if change.label_id == DELETED:
            deleted[change.message_id] = change.on
        elif change.label_id.startswith(THREAD):
            threads[change.message_id] = change.label_id.removeprefix(THREAD)
        else:
            labels.setdefault(change.message_id, {})[change.label_id] = change.on
    for on, kind in ((True, EmailDeleted), (False, EmailUndeleted)):
        ids = [to_hex(message_id) for message_id, is_deleted in deleted.items() if is_deleted is on]
        for part in batched_lists(ids, IDS_PER_EVENT):
            yield kind(ids=part)
    relabelled = [
        Relabelled(
            id=to_hex(message_id),
            added=[label for label, on in states.items() if on],
            removed=[label for label, on in states.items() if not on],
        )
        for message_id, states in labels.items()
    ]
    for some in batched_lists(relabelled, _CHANGES_PER_EVENT):
        yield EmailRelabelled(changes=some)
    moved = [Rethreaded(id=to_hex(message_id), thread_id=thread) for message_id, thread in threads.items()]
    for those in batched_lists(moved, _CHANGES_PER_EVENT):
        yield EmailRethreaded(changes=those)
    if deleted:
        reasons["deleted"] = None
    if labels:
        reasons["relabelled"] = None


def _beginnings(update: MailboxUpdate, before: StateBefore | None) -> Iterator[EventData]:
    modes: dict[Phase, Literal["full", "reconcile"]] = {Phase.FULL: "full", Phase.RECONCILE: "reconcile"}
    if update.phase in modes and (before is None or before.phase is not update.phase):
        yield SyncStarted(mode=modes[update.phase])


def _outcomes(update: MailboxUpdate, before: StateBefore | None, stored: int) -> Iterator[EventData]:
    phase = before.phase if before else Phase.NEW
    if stored and update.phase in (Phase.FULL, Phase.RECONCILE):
        yield SyncProgress(stored=stored, estimate=update.estimate)
    if update.mended is not None:
        yield MailboxMended(**asdict(update.mended))
    if update.synced and not update.quiet:
        history_id = None if update.cursor is None else str(update.cursor)
        yield SyncCompleted(history_id=history_id, listed=update.listed)
    error = update.error
    if error and before:  # events contain no address: operators and receivers of webhooks see them
        error = error.replace(before.email, "EMAIL")
    error = error[:_LONGEST_ERROR] if error else None
    revoked = update.phase is Phase.REVOKED
    if error and (before is None or before.error != update.error):
        yield SyncFailed(error=error, revoked=revoked)
    if revoked and phase is not Phase.REVOKED:
        yield AccountRevoked(error=error)
    if update.phase is Phase.STOPPED and phase is not Phase.STOPPED:
        yield SyncStopped()


def batched_lists(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """Lists of up to `size` items, in order."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
