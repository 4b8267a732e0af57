"""How far a sync of some mailboxes is, read from Postgres: what is counted is committed. Blocking."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cluster.stores import Stores
from storage.records import MailboxRecord, Phase, User


@dataclass(frozen=True, slots=True)
class Progress:
    """A look at all mailboxes together. Counts are totals, not only this sync's.

    errors: of mailboxes that can go no further, by address; trouble: what holds another one up for now.
    """

    messages: int
    estimate: int
    size_bytes: int
    units: int
    pending: tuple[User, ...]
    errors: dict[str, str]
    trouble: str | None = None

    @property
    def ended(self) -> bool:
        """Every mailbox is complete, or can go no further."""
        return not self.pending


class Watch:
    """Tells when a sync that is asked for after this was made has ended for every mailbox."""

    def __init__(self, stores: Stores, users: Sequence[User]) -> None:
        self._readers = {user: stores.reader(user) for user in users}
        self._before: dict[User, datetime | None] = {
            user: state.synced_at if (state := reader.state()) else None for user, reader in self._readers.items()
        }

    def look(self) -> Progress:
        """Where the mailboxes stand now."""
        states = {user: reader.state() for user, reader in self._readers.items()}
        known = [state for state in states.values() if state is not None]
        revoked = {state.email: state.error or "" for state in known if state.phase is Phase.REVOKED}
        return Progress(
            messages=sum(state.messages for state in known),
            estimate=sum(max(state.estimate, state.messages) for state in known),
            size_bytes=sum(state.size_bytes for state in known),
            units=sum(state.units for state in known),
            pending=tuple(user for user, state in states.items() if not self._done(user, state)),
            errors=revoked,
            trouble=next((state.error for state in known if state.error and state.email not in revoked), None),
        )

    def _done(self, user: User, state: MailboxRecord | None) -> bool:
        if state is None:
            return False
        synced = state.synced_at is not None and state.synced_at != self._before[user]
        return state.phase is Phase.REVOKED or (synced and state.phase is Phase.CURRENT)
