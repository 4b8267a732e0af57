"""Reasons for which work waits, in the control database; written by shard owners and their supervisor. Blocking."""

from collections.abc import Iterable, Sequence

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.model.wait_reasons import WHOLE_SHARD, WaitKind, WaitReason


class WaitReasons:
    """Stores the reasons of all shards."""

    def __init__(self, engine: Source) -> None:
        """`engine`: of the control database."""
        self._engine = engine

    def replace(self, shard_id: int, epoch: int, reasons: Iterable[WaitReason]) -> None:
        """Replace the reasons reported by a shard's owner. Ignored if the owner's epoch is over.

        Raises:
            DatabaseUnreachable.
        """
        rows = [
            {
                "shard_id": shard_id,
                "user_id": reason.user_id,
                "kind": reason.kind.value,
                "detail": reason.detail,
                "since": reason.since,
                "attempts": reason.attempts,
                "next_attempt_at": reason.next_attempt_at,
                "epoch": epoch,
            }
            for reason in reasons
        ]
        with transaction(self._engine) as connection:
            connection.execute(query("wait_reasons_lock"), {"shard_id": shard_id})
            if connection.execute(query("wait_reasons_newer"), {"shard_id": shard_id, "epoch": epoch}).first():
                return
            connection.execute(query("wait_reasons_clear"), {"shard_id": shard_id})
            if rows:
                connection.execute(query("wait_reasons_insert"), rows)

    def silent(self, shard_id: int, kind: WaitKind, reason: WaitReason | None) -> None:
        """Record that a shard's owner, or the quota broker, does not respond; reason None: it responds.

        Args:
            kind: OWNER_SILENT or BROKER_SILENT.
        """
        with transaction(self._engine) as connection:
            connection.execute(query("wait_reasons_clear_silent"), {"shard_id": shard_id, "kind": kind.value})
            if reason is not None:
                row = {"shard_id": shard_id, "user_id": WHOLE_SHARD, "kind": reason.kind.value, "epoch": 0}
                facts = {"detail": reason.detail, "since": reason.since, "attempts": reason.attempts}
                connection.execute(
                    query("wait_reasons_insert"), {**row, **facts, "next_attempt_at": reason.next_attempt_at}
                )

    def all(self) -> list[WaitReason]:
        """Reasons of every shard and mailbox, longest wait first."""
        return self._read(None, None)

    def of(self, shard_ids: Sequence[int], user_ids: Sequence[int]) -> list[WaitReason]:
        """Reasons of these shards and these mailboxes, longest wait first."""
        return self._read(list(shard_ids), list(user_ids))

    def _read(self, shard_ids: list[int] | None, user_ids: list[int] | None) -> list[WaitReason]:
        with transaction(self._engine) as connection:
            rows = connection.execute(query("wait_reasons"), {"shard_ids": shard_ids, "user_ids": user_ids}).all()
        return [
            WaitReason(
                row.shard_id, row.user_id, WaitKind(row.kind), row.detail, row.since, row.attempts, row.next_attempt_at
            )
            for row in rows
        ]
