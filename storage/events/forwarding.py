"""Copies the control database's events about a user to the outbox of the user's shard, each exactly once.

The position up to which events were copied is stored in the shard's database, in the transaction that inserts them, so
a kill at any point, or two processes at once, neither lose nor repeat one. Blocking.
"""

import logging
from collections.abc import Callable, Mapping

from storage.db.engines import Databases, DatabaseUnreachable, transaction
from storage.db.sql_files import query
from storage.events.publishing import CONTROL

_LOG = logging.getLogger(__name__)

_BATCH = 1000
#: Clusters of leases on shards that are moving: storage/catalog/leases.py, which is above this package.
_MOVING = ("gbm:moving", "gbm:moved", "gbm:arriving")


class Forwarder:
    """Forwards events, again and again. Blocking."""

    def __init__(self, databases: Databases, shards: Callable[[], Mapping[int, int]]) -> None:
        """`shards`: shard -> index of its database, as the control database has it now."""
        self._databases, self._shards = databases, shards
        self._done = 0

    def forward(self) -> int:
        """Forward all events that are due; returns their number.

        A shard that was never owned, or is moving, is skipped: a later call forwards its events.

        Raises:
            DatabaseUnreachable.
        """
        with transaction(self._databases.control) as control:
            head = control.execute(query("event_heads"), {"shard_ids": [CONTROL]}).first()
            if head is None or head.last <= self._done:
                return 0
            shard_ids = list(control.execute(query("event_shards"), {"after": self._done}).scalars())
        places, count, skipped = self._shards(), 0, False
        for shard_id in shard_ids:
            try:
                number = _forward_to(self._databases, shard_id, places[shard_id])
            except DatabaseUnreachable as exc:
                _LOG.warning("Events for shard %d wait: %s", shard_id, exc)
                number = None
            count += number or 0
            skipped = skipped or number is None
        if not skipped:
            self._done = head.last
        return count


def _forward_to(databases: Databases, shard_id: int, index: int) -> int | None:
    """Number of events forwarded to a shard; None: it takes none at the moment."""
    count = 0
    while True:
        with transaction(databases.shard_database(index)) as shard:
            # The share lock makes the fence of a move wait.
            cluster = shard.execute(query("lease_place"), {"shard_id": shard_id}).scalar()
            if cluster is None or cluster in _MOVING:
                return None
            after = shard.execute(query("event_forwarded"), {"shard_id": shard_id}).scalar_one()
            with transaction(databases.control) as control:
                values = {"shard_id": shard_id, "after": after, "limit": _BATCH}
                rows = control.execute(query("events_to_forward"), values).all()
            if not rows:
                return count
            shard.execute(
                query("outbox_forward"),
                {
                    "shard_id": shard_id,
                    "until": rows[-1].position,
                    "user_ids": [row.user_id for row in rows],
                    "types": [row.type for row in rows],
                    "versions": [row.version for row in rows],
                    "data": [row.data for row in rows],
                    "times": [row.created_at for row in rows],
                },
            )
        count += len(rows)
        if len(rows) < _BATCH:
            return count
