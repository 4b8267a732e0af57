"""Progress of a sync, read from Postgres: only committed messages are counted. Blocking."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cluster.stores import Stores
from storage.control.campaigns import Member, states_of
from storage.control.wait_reasons import WaitReasons
from storage.model.records import MailboxRecord, Phase, User
from storage.model.wait_reasons import WaitReason


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a sync's mailboxes at one time. Counts cover everything stored, not only this sync.

    done: user ids of complete mailboxes.
    errors: permanent errors, by user id.
    trouble: the first temporary error of a mailbox that is being retried.
    sized: the number of messages of every pending mailbox is known.
    waits: reasons for which pending mailboxes, or their whole shards, wait.
    """

    messages: int
    estimate: int
    size_bytes: int
    units: int
    pending: tuple[User, ...]
    done: tuple[int, ...] = ()
    errors: dict[int, str] = field(default_factory=dict)
    trouble: str | None = None
    waits: tuple[WaitReason, ...] = ()
    sized: bool = False

    @property
    def ended(self) -> bool:
        """Every mailbox is complete or has failed permanently."""
        return not self.pending


def members_of(stores: Stores, users: Sequence[User]) -> list[Member]:
    """The current state of mailboxes, as the baseline of a `Watch`."""
    states = states_of(stores.databases, stores.shards, users)
    return [
        Member(user, state.synced_at, state.listed_at, state.messages) if state else Member(user)
        for user, state in ((user, states.get(user.user_id)) for user in users)
    ]


class Watch:
    """Follows a sync until every member is complete or has failed. Take `members` before the sync is requested."""

    def __init__(self, stores: Stores, members: Sequence[Member], full: bool = False) -> None:
        """`full`: a mailbox is complete only after a full listing; an incremental sync is not enough."""
        self._stores, self._full = stores, full
        self._members = {member.user.user_id: member for member in members}
        self._going: set[int] = set()  # mailboxes seen running: a later STOPPED phase is a new stop

    def look(self) -> Progress:
        """Read the current state of the mailboxes."""
        users = [member.user for member in self._members.values()]
        states = states_of(self._stores.databases, self._stores.shards, users)
        self._going |= {user_id for user_id, state in states.items() if state.phase is not Phase.STOPPED}
        errors = {user_id: text for user_id, state in states.items() if (text := self._hopeless(user_id, state))}
        errors |= {key: member.error or "" for key, member in self._members.items() if member.state == "failed"}
        done = {user_id for user_id, member in self._members.items() if self._done(member, states.get(user_id))}
        known = states.values()
        ended = done | errors.keys()
        pending = [user for user in users if user.user_id not in ended]
        waits = self._waits(pending)
        return Progress(
            messages=sum(state.messages for state in known),
            estimate=sum(max(state.estimate, state.messages) for state in known),
            size_bytes=sum(state.size_bytes for state in known),
            units=sum(state.units for state in known),
            pending=tuple(pending),
            done=tuple(sorted(done - errors.keys())),
            errors=errors,
            trouble=next((state.error for key, state in states.items() if state.error and key not in errors), None),
            waits=tuple(waits),
            sized=all(user.user_id in states and states[user.user_id].estimate for user in pending),
        )

    def give_up(self, user_id: int, error: str) -> None:
        """Mark a mailbox as failed permanently, with the reason."""
        self._members[user_id] = replace(self._members[user_id], state="failed", error=error)

    def _waits(self, pending: Sequence[User]) -> list[WaitReason]:
        if not pending:
            return []
        reasons = WaitReasons(self._stores.databases.control)
        return reasons.of([*{user.shard_id for user in pending}], [user.user_id for user in pending])

    def _done(self, member: Member, state: MailboxRecord | None) -> bool:
        if member.state == "done":
            return True
        if state is None or state.phase is not Phase.CURRENT or state.synced_at in (None, member.synced_before):
            return False
        return not self._full or state.listed_at not in (None, member.listed_before)

    def _hopeless(self, user_id: int, state: MailboxRecord) -> str | None:
        if state.phase is Phase.REVOKED:
            return state.error or f"Google rejects the credentials of {state.email}: connect the account again."
        if state.phase is Phase.STOPPED and user_id in self._going:
            return f"The sync of {state.email} was stopped: start it again to resume."
        return None
