"""What of the control database a process must know to read mail: where shards are, what signs access tokens.

From the primary; while that is away, from one of its replicas, if any are named. Nothing else is: whether a secret
is still good is the primary's to say. A replica's map may be old, by any age if the process never saw the primary: a
shard counts only where its database has it, so nobody is sent to a shard's former home. Blocking.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from storage.control.control import Control
from storage.db.engines import Databases, DatabaseUnreachable, transaction
from storage.db.sql_files import query
from storage.replication.routing import Replicas

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Lookups:
    """Reads the shard map and the signing keys; has signing keys made."""

    def __init__(self, control: Control, databases: Databases, replicas: Replicas) -> None:
        self._control, self._databases, self._replicas = control, databases, replicas
        self._on_replica = False

    def shards(self) -> dict[int, int]:
        """Every shard and the index of its database; by a replica's map, those that their database has.

        Raises:
            DatabaseUnreachable.
        """
        shards = self._ask(Control.shards)
        if not self._on_replica:
            return shards
        present = {database: self._present(database) for database in set(shards.values())}
        return {shard: database for shard, database in shards.items() if shard in present[database]}

    def rotate_signing_keys(self, kid: str, sealed: bytes, newer_s: float, forget_s: float) -> bool:
        """Keep a new signing key unless a newer one is there; False, too, while the primary is away."""
        try:
            return self._control.rotate_signing_keys(kid, sealed, newer_s, forget_s)
        except DatabaseUnreachable as exc:
            _LOG.warning("Signing keys are not replaced: %s", exc)
            return False

    def _present(self, database: int) -> set[int]:
        try:
            with transaction(self._databases.shard_database(database)) as connection:
                return set(connection.execute(query("leases_here")).scalars())
        except DatabaseUnreachable:
            return set()

    def signing_keys(self) -> list[tuple[str, bytes]]:
        """(kid, sealed private key), newest first.

        Raises:
            DatabaseUnreachable.
        """
        return self._ask(Control.signing_keys)

    def add_first_signing_key(self, kid: str, sealed: bytes) -> None:
        """Keep a signing key unless there is one; the primary's to do."""
        self._control.add_first_signing_key(kid, sealed)

    def _ask(self, question: Callable[[Control], _T]) -> _T:
        if not self._replicas.control_is_away():  # who is known to be away is not waited for again
            try:
                answer = question(self._control)
            except DatabaseUnreachable as exc:
                source = self._replicas.control()
                if source is None:
                    raise
                if not self._on_replica:
                    _LOG.warning("The control database's replicas are asked: %s", exc)
            else:
                self._on_replica = False
                return answer
        self._on_replica = True
        source = self._replicas.control()
        return question(self._control if source is None else Control(source))
