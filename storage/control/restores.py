"""Restores: which messages are given back to which mailbox, and what became of each. In the control database.

The row of a message is its intent: `intend` commits before the call that imports it, so that a crash leaves a message
"sent" and never one of which nothing is known. Blocking: call it from a thread.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage.control.restore_records import (
    AT_WORK,
    LabelOutcome,
    MessageOutcome,
    Restore,
    RestoreConflict,
    RestoreMessage,
    RestoreState,
    Selection,
    TargetBusy,
    UnknownRestore,
)
from storage.db import audit
from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.events.control_types import OperationChanged, OperationCreated
from storage.events.publishing import CONTROL, publish
from storage.model.message_id import to_hex
from storage.model.records import User

_ALL = (1 << 63) - 1
_BATCH = 5000
#: States in which no job works on it and messages that failed may be tried again.
_STOPPED = (RestoreState.PAUSED, RestoreState.CANCELLED, RestoreState.INCOMPLETE)


class Restores:
    """Stores restores."""

    def __init__(self, engine: Source) -> None:
        self._engine = engine

    def begin(self, source: User, target: User, selection: Selection, requested_by: str) -> Restore:
        """Record a restore.

        Raises:
            TargetBusy.
        """
        values = {
            "user_id": source.user_id,
            "target_id": target.user_id,
            "selection": orjson.dumps(selection.as_json()).decode(),
            "requested_by": requested_by,
        }
        with transaction(self._engine) as connection:
            restore_id = connection.execute(query("restore_create"), values).scalar()
            if restore_id is not None:
                detail: audit.Detail = {"into": target.email[:200], "query": selection.query[:200]}
                detail = {**detail, "relabel": selection.relabel, "restore": restore_id}
                audit.append(connection, requested_by, "restore.begin", source.email, detail)
                created = OperationCreated(id=f"restore-{restore_id}", kind="restore")
                publish(connection, CONTROL, [(source.user_id, created)])
        if restore_id is None:
            statement = text("SELECT restore_id FROM restores WHERE target_id = :target_id AND ended_at IS NULL")
            with transaction(self._engine) as connection:
                other = connection.execute(statement, {"target_id": target.user_id}).scalar()
            if other is None:  # it ended meanwhile
                return self.begin(source, target, selection, requested_by)
            raise TargetBusy(other, target.email)
        return self.get(restore_id)

    def get(self, restore_id: int, person: int | None = None) -> Restore:
        """One restore; `person`: only if the archive and the mailbox are both theirs.

        Raises:
            UnknownRestore.
        """
        found = self._select(restore_id, person, _ALL, 1, False)
        if not found:
            raise UnknownRestore(restore_id)
        return found[0]

    def standing(self, restore_id: int) -> tuple[RestoreState, int]:
        """State and newest run of a restore, without counting its messages.

        Raises:
            UnknownRestore.
        """
        statement = text("SELECT state, runs FROM restores WHERE restore_id = :restore_id")
        with transaction(self._engine) as connection:
            row = connection.execute(statement, {"restore_id": restore_id}).one_or_none()
        if row is None:
            raise UnknownRestore(restore_id)
        return RestoreState(row.state), row.runs

    def newest(self, limit: int, before: int | None = None, person: int | None = None) -> list[Restore]:
        """Restores with ids below `before`, newest first; `person`: of their archive into their own mailbox."""
        return self._select(None, person, before or _ALL, limit, False)

    def running(self) -> list[Restore]:
        """Restores that need a job, newest first."""
        return self._select(None, None, _ALL, 1000, True)

    def run(self, restore_id: int) -> Restore:
        """Record that a job will be submitted. One that is told to stop stays so, and the job completes that.

        Raises:
            UnknownRestore, RestoreConflict.
        """
        restore = self.get(restore_id)
        if restore.state in (RestoreState.PAUSING, RestoreState.CANCELLING):
            self._move(restore_id, (restore.state,), restore.state, run=1)
        else:
            self._move(restore_id, (RestoreState.RUNNING,), RestoreState.RUNNING, run=1)
        return self.get(restore_id)

    def pause(self, restore_id: int, by: str) -> Restore:
        """Have the job stop after the calls under way.

        Raises:
            UnknownRestore, RestoreConflict.
        """
        among = (RestoreState.RUNNING, RestoreState.PAUSING, RestoreState.PAUSED)
        if self.get(restore_id).state is not RestoreState.PAUSED:
            self._move(restore_id, among, RestoreState.PAUSING, audited=(by, "restore.pause"))
        return self.get(restore_id)

    def resume(self, restore_id: int, by: str) -> Restore:
        """Go on with a restore that was paused, was cancelled, or left messages undone: those are tried again.

        Raises:
            UnknownRestore, RestoreConflict.
        """
        state, audited = self.get(restore_id).state, (by, "restore.resume")
        if state is RestoreState.PAUSING:  # its job knows what failed as failed, and goes on with the rest
            self._move(restore_id, (state,), RestoreState.RUNNING, audited=audited)
        elif state is not RestoreState.RUNNING:
            self._move(restore_id, _STOPPED, RestoreState.RUNNING, audited=audited, again=True)
        return self.get(restore_id)

    def cancel(self, restore_id: int, by: str) -> Restore:
        """End a restore. What has been imported stays in the mailbox.

        Raises:
            UnknownRestore, RestoreConflict.
        """
        if self.get(restore_id).state is RestoreState.PAUSED:  # no job is there to be told
            among = (RestoreState.PAUSED,)
            self._move(restore_id, among, RestoreState.CANCELLED, ended=True, audited=(by, "restore.cancel"))
        else:
            self._move(restore_id, AT_WORK, RestoreState.CANCELLING, audited=(by, "restore.cancel"))
        return self.get(restore_id)

    def end(self, restore_id: int, run: int, state: RestoreState, error: str | None = None) -> None:
        """The job stopped: paused or cancelled as it was told, paused because of an error, complete or incomplete.

        Raises:
            RestoreConflict: a newer run works on it, or it was told something else meanwhile.
        """
        among: Sequence[RestoreState] = AT_WORK
        if state is RestoreState.CANCELLED:
            among = (RestoreState.CANCELLING,)
        elif state is RestoreState.PAUSED:
            among = (RestoreState.PAUSING,) if error is None else (RestoreState.RUNNING, RestoreState.PAUSING)
        ended = state is not RestoreState.PAUSED
        audited = ("restore job", f"restore.{state.value}")
        self._move(restore_id, among, state, ended=ended, error=error, audited=audited, asking=run)

    def note(self, restore_id: int, run: int, error: str | None) -> None:
        """Record what keeps a run from going on, for those who look; None: nothing does."""
        statement = text(
            "UPDATE restores SET error = :error WHERE restore_id = :restore_id AND runs = :run AND state = ANY(:among) "
            "AND error IS DISTINCT FROM :error"
        )
        values = {"restore_id": restore_id, "run": run, "error": error, "among": [*AT_WORK]}
        with transaction(self._engine) as connection:
            connection.execute(statement, values)

    def plan(self, restore_id: int, messages: Sequence[RestoreMessage]) -> None:
        """Record all messages, in one transaction. A restore is planned once."""
        with transaction(self._engine) as connection:
            for at in range(0, len(messages), _BATCH):
                batch = messages[at : at + _BATCH]
                values = {
                    "restore_id": restore_id,
                    "message_ids": [each.message_id for each in batch],
                    "positions": [each.position for each in batch],
                    "thread_ids": [each.thread_id for each in batch],
                    "received_ats": [each.received_at for each in batch],
                    "sha256s": [each.sha256 for each in batch],
                    "sizes": [each.size_bytes for each in batch],
                    "labels": ["\n".join(each.labels) for each in batch],
                    "states": [each.state for each in batch],
                    "new_ids": [each.new_id for each in batch],
                    "new_threads": [each.new_thread for each in batch],
                    "details": [each.detail for each in batch],
                }
                connection.execute(query("restore_messages_insert"), values)
            statement = text("UPDATE restores SET planned_at = now() WHERE restore_id = :restore_id")
            connection.execute(statement, {"restore_id": restore_id})

    def messages(self, restore_id: int, states: Sequence[str] | None = None) -> list[RestoreMessage]:
        """Messages (in some states), oldest first."""
        values = {"restore_id": restore_id, "states": None if states is None else list(states)}
        with transaction(self._engine) as connection:
            return [
                RestoreMessage(**{**row._mapping, "sha256": bytes(row.sha256), "labels": tuple(row.labels)})
                for row in connection.execute(query("restore_messages"), values)
            ]

    def earlier(self, source: User, target: User) -> dict[int, list[int]]:
        """Ids in the archive -> ids in the mailbox of what restores of the one into the other have imported."""
        values = {"user_id": source.user_id, "target_id": target.user_id}
        found: dict[int, list[int]] = {}
        with transaction(self._engine) as connection:
            for message_id, new_id in connection.execute(query("restore_earlier"), values):
                found.setdefault(message_id, []).append(new_id)
        return found

    def labels(self, restore_id: int) -> list[LabelOutcome]:
        """What became of each label, by name."""
        statement = text(
            "SELECT label_id, name, target_id, outcome, detail FROM restore_labels WHERE restore_id = :restore_id "
            "ORDER BY name, label_id"
        )
        with transaction(self._engine) as connection:
            return [LabelOutcome(*row) for row in connection.execute(statement, {"restore_id": restore_id})]

    def report(self, restore_id: int, limit: int | None = None) -> dict[str, Any]:
        """What failed or came back differently (at most `limit` messages), and what became of each label."""
        values = {"restore_id": restore_id, "limit": limit}
        with transaction(self._engine) as connection:
            rows = list(connection.execute(query("restore_report"), values))
        messages = [{"id": to_hex(row.message_id), "state": row.state, "detail": row.detail} for row in rows]
        return {"messages": messages, "labels": [asdict(label) for label in self.labels(restore_id)]}

    def save_label(self, restore_id: int, label: LabelOutcome) -> None:
        """Record what became of a label."""
        values = {"restore_id": restore_id, **asdict(label)}
        with transaction(self._engine) as connection:
            connection.execute(query("restore_label_save"), values)

    def intend(self, restore_id: int, message_ids: Sequence[int], history_id: int | None, run: int) -> set[int]:
        """Record that messages are about to be imported; those of them that are still to be.

        Args:
            run: number of the caller's run (`Restore.runs`); a run that a newer one replaced may import nothing.
        """
        values = {"restore_id": restore_id, "message_ids": list(message_ids), "history_id": history_id, "run": run}
        with transaction(self._engine) as connection:
            return set(connection.execute(query("restore_intents"), values).scalars())

    def record(self, restore_id: int, outcomes: Sequence[MessageOutcome]) -> None:
        """Record what became of messages."""
        values = {
            "restore_id": restore_id,
            "message_ids": [each.message_id for each in outcomes],
            "states": [each.state for each in outcomes],
            "new_ids": [each.new_id for each in outcomes],
            "new_threads": [each.new_thread for each in outcomes],
            "details": [each.detail for each in outcomes],
        }
        with transaction(self._engine) as connection:
            connection.execute(query("restore_outcomes"), values)

    def _move(
        self,
        restore_id: int,
        among: Sequence[RestoreState],
        state: RestoreState,
        run: int = 0,
        ended: bool = False,
        error: str | None = None,
        audited: tuple[str, str] | None = None,
        again: bool = False,
        asking: int | None = None,
    ) -> None:
        values: dict[str, Any] = {"restore_id": restore_id, "among": [*among], "state": state, "ended": ended}
        values |= {"run": run, "error": error, "asking": asking}
        before = self.get(restore_id)
        try:
            with transaction(self._engine) as connection:
                moved = connection.execute(query("restore_move"), values).scalar() is not None
                if moved and again:
                    connection.execute(query("restore_again"), {"restore_id": restore_id})
                if moved and audited is not None:
                    detail: audit.Detail = {"into": before.target.email[:200], "restore": restore_id}
                    audit.append(connection, audited[0], audited[1], before.source.email, detail)
                if moved:
                    changed = OperationChanged(id=f"restore-{restore_id}", kind="restore", state=state.value)
                    publish(connection, CONTROL, [(before.source.user_id, changed)])
        except IntegrityError as exc:
            raise RestoreConflict(restore_id, "behind a newer one into the same mailbox") from exc
        if not moved:
            raise RestoreConflict(restore_id, self.get(restore_id).state)

    def _select(
        self, restore_id: int | None, person: int | None, before: int, limit: int, running: bool
    ) -> list[Restore]:
        values = {"restore_id": restore_id, "person": person, "before": before, "limit": limit, "running": running}
        with transaction(self._engine) as connection:
            return [_restore_of(dict(row._mapping)) for row in connection.execute(query("restores"), values)]


def _restore_of(row: dict[str, Any]) -> Restore:
    source = User(row.pop("user_id"), row.pop("email"), row.pop("shard_id"))
    target = User(row.pop("target_user_id"), row.pop("target_email"), row.pop("target_shard_id"))
    selection, state = Selection.of(row.pop("selection")), RestoreState(row.pop("state"))
    size_bytes = int(row.pop("size_bytes"))
    return Restore(source=source, target=target, selection=selection, state=state, size_bytes=size_bytes, **row)
