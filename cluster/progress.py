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
        self._seen_working: set[User] = set()
        self._before: dict[User, datetime | None] = {
            user: state.synced_at if (state := reader.state()) else None for user, reader in self._readers.items()
        }

    def look(self) -> Progress:
        """Where the mailboxes stand now."""
        states = {user: reader.state() for user, reader in self._readers.items()}
        known = [state for state in states.values() if state is not None]
        self._seen_working |= {user for user, state in states.items() if state and state.phase is Phase.FULL}
        errors = {state.email: state.error or "" for state in known if state.phase is Phase.REVOKED}
        errors |= {
            user.email: f"{user.email} was told to stop: a new sync goes on where it was."
            for user, state in states.items()
            if self._stopped(user, state)
        }
        return Progress(
            messages=sum(state.messages for state in known),
            estimate=sum(max(state.estimate, state.messages) for state in known),
            size_bytes=sum(state.size_bytes for state in known),
            units=sum(state.units for state in known),
            pending=tuple(user for user, state in states.items() if not self._done(user, state)),
            errors=errors,
            trouble=next((state.error for state in known if state.error and state.email not in errors), None),
        )

    def _done(self, user: User, state: MailboxRecord | None) -> bool:
        if state is None:
            return False
        synced = state.synced_at is not None and state.synced_at != self._before[user]
        given_up = state.phase is Phase.REVOKED or self._stopped(user, state)
        return given_up or (synced and state.phase is Phase.CURRENT)

    def _stopped(self, user: User, state: MailboxRecord | None) -> bool:
        """Stopped meanwhile; one that was stopped before is about to go on."""
        return state is not None and state.phase is Phase.STOPPED and user in self._seen_working
