"""The data of the control database that reading mail requires: the shard map and the signing keys.

Read from the primary, or from one of its replicas while the primary is unreachable, revocations of access tokens too.
Nothing else is read from replicas: only the primary knows whether a secret is still valid. A replica's map may be of
any age if the process never reached the primary: a shard counts only if its database has it, so no read goes to a
shard's former database. Blocking.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from storage.control.control import Control
from storage.control.grants import Grants, Revocation
from storage.db.engines import Databases, DatabaseUnreachable, transaction
from storage.db.sql_files import query
from storage.replication.routing import Replicas

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Lookups:
    """Reads the shard map and the signing keys; stores new signing keys."""

    def __init__(self, control: Control, databases: Databases, replicas: Replicas) -> None:
        self._control, self._databases, self._replicas = control, databases, replicas
        self._on_replica = False

    def shards(self) -> dict[int, int]:
        """Shard -> index of its database; from a replica's map, only shards that the database has.

        Raises:
            DatabaseUnreachable.
        """
        shards = self._ask(Control.shards)
        if not self._on_replica:
            return shards
        present = {database: self._present(database) for database in set(shards.values())}
        return {shard: database for shard, database in shards.items() if shard in present[database]}

    def rotate_signing_keys(self, kid: str, sealed: bytes, newer_s: float, forget_s: float) -> bool:
        """Store a new signing key unless a newer one exists; False, too, while the primary is unreachable."""
        try:
            return self._control.rotate_signing_keys(kid, sealed, newer_s, forget_s)
        except DatabaseUnreachable as exc:
            _LOG.warning("Signing keys are not rotated: %s", exc)
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

    def revocations(self, horizon_s: float) -> list[Revocation]:
        """The revocations that a replica has of the last `horizon_s` seconds. The primary is not asked.

        Raises:
            DatabaseUnreachable: no replica answers.
        """
        source = self._replicas.control()
        if source is None:
            raise DatabaseUnreachable("the control database", "it has no replica")
        return Grants(source).revocations(horizon_s)

    def add_first_signing_key(self, kid: str, sealed: bytes) -> None:
        """Store a signing key on the primary unless one exists."""
        self._control.add_first_signing_key(kid, sealed)

    def _ask(self, question: Callable[[Control], _T]) -> _T:
        if not self._replicas.control_is_away():  # do not wait again for a primary that is known to be unreachable
            try:
                answer = question(self._control)
            except DatabaseUnreachable as exc:
                source = self._replicas.control()
                if source is None:
                    raise
                if not self._on_replica:
                    _LOG.warning("The control database is read from its replicas: %s", exc)
            else:
                self._on_replica = False
                return answer
        self._on_replica = True
        source = self._replicas.control()
        return question(self._control if source is None else Control(source))
