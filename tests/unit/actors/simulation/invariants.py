"""What must hold of a simulated world: after every commit (`always`), and when all is quiet (`at_rest`)."""

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from actors.compaction import choose
from storage.model.labels import fold
from storage.model.records import Phase
from tests.unit.actors.simulation.gmail import thread_of

if TYPE_CHECKING:
    from tests.unit.actors.simulation.owner import Owner
    from tests.unit.actors.simulation.world import World

_WINDOW_S = 60.0
#: Fetches of each other mailbox in which a mailbox that could fetch must have had one.
_TURNS = 2
#: Calls that fail in a row, from which on a mailbox leaves places to others.
_TROUBLED = 3
_CALLS_PER_MINUTE = 200


def always(world: "World") -> None:
    """No stale commit; what is stored is what Gmail had; no cursor outruns what is owed."""
    postgres = world.postgres
    assert all(epoch == held for epoch, held in postgres.committed_by[-1:]), "a stale owner committed"
    for (user_id, message_id), copy in postgres.messages.items():
        assert copy.bytes_id == world.boxes[user_id].messages[message_id].bytes_id, f"{message_id} has other bytes"
    never_dead(world)
    if world.deviations.rate:
        return  # a cursor goes where Gmail says: what it says wrongly is mended by a comparison
    for user_id, record in postgres.mailboxes.items():
        if record.cursor is not None:
            _not_outrun(world, user_id, record.cursor)


def never_dead(world: "World") -> None:
    """No message that Gmail has counts as deleted, at any moment."""
    for (user_id, message_id), state in world.postgres.states.items():
        if state.deleted:
            assert world.boxes[user_id].messages[message_id].deleted, f"{message_id} lives, and counts as deleted"


def in_segments(world: "World") -> None:
    """Every stored message lies in exactly one live segment."""
    segments = [keys for contents in world.postgres.contents.values() for keys in contents.values()]
    keys = [key for segment in segments for key in segment]
    assert len(keys) == len(set(keys)), "a message lies in two segments"
    assert set(keys) == set(world.postgres.messages), "a stored message lies in no segment"


def few_segments(world: "World") -> None:
    """What should be merged is."""
    in_segments(world)
    for shard_id in world.owners:
        assert not choose(world.postgres.live(shard_id), world.archive), "segments that should be merged are not"


def _not_outrun(world: "World", user_id: int, cursor: int) -> None:
    box, postgres = world.boxes[user_id], world.postgres
    for message_id, message in box.messages.items():
        if message.added_at > cursor:
            continue
        key = user_id, message_id
        known = message.deleted or key in postgres.messages or key in postgres.failed
        assert known, f"the cursor {cursor} is past {message_id}, which is neither stored nor filed"
        if key in postgres.states:
            state = postgres.states[key]
            if message.deleted and not state.deleted and key in postgres.failed:
                continue  # it is asked for by itself before it counts as deleted
            missed = [change for change in message.changes if state.history_id < change.history_id <= cursor]
            # A reconcile sees what differs, and not what changed and changed back: what it passed must make no
            # difference to what the rest of the history leads to.
            after = fold(state, [change for change in message.changes if change.history_id > cursor])[0]
            harmless = after.deleted == message.deleted and (message.deleted or after.labels == message.labels)
            assert not missed or ((box.expired or box.relisted) and harmless), (
                f"the cursor {cursor} is past {missed[0]}, not stored"
            )


def at_rest(world: "World") -> None:
    """All of Gmail's mail is stored once, as Gmail has it; what can never be fetched is filed."""
    postgres = world.postgres
    for user_id, box in world.boxes.items():
        record = postgres.mailboxes[user_id]
        assert record.phase is Phase.CURRENT, f"mailbox {user_id} ends {record.phase}"
        assert record.cursor == box.history_id, f"mailbox {user_id} ends at {record.cursor} of {box.history_id}"
        stored = {message_id for owner_id, message_id in postgres.messages if owner_id == user_id}
        missing = set(box.alive()) - stored - box.permanent
        assert not missing, f"messages {sorted(missing)} are not stored"
        filed = {message_id for owner_id, message_id in postgres.failed if owner_id == user_id}
        unfiled = box.permanent & set(box.alive()) - stored - filed
        assert not unfiled, f"messages {sorted(unfiled)} are neither stored nor filed"
        assert not filed & stored, f"messages {sorted(filed & stored)} are stored and still filed"
        _labels_are_gmails(world, user_id)
        for message_id in stored & set(box.alive()):
            thread_id = postgres.threads[user_id, message_id]
            assert thread_id == thread_of(message_id), f"{message_id} is in the thread {thread_id}"


def _labels_are_gmails(world: "World", user_id: int) -> None:
    box = world.boxes[user_id]
    for (owner_id, message_id), state in world.postgres.states.items():
        message = box.messages.get(message_id)
        if owner_id == user_id and message is not None:
            assert state.deleted == message.deleted, f"{message_id}: deletion was not noticed"
            # The last labels of a message that went while the history was forgotten are nobody's to know.
            unknowable = message.deleted and (box.expired or box.relisted or world.deviations.rate)
            assert unknowable or state.labels == message.labels, (
                f"{message_id} has {set(state.labels)}, not {message.labels}"
            )


def will_still_land(world: "World") -> set[int]:
    """Filed messages that nothing prevents from landing (or from being gone): neither Gmail nor a stopped mailbox."""
    postgres = world.postgres
    return {
        message_id
        for user_id, message_id in postgres.failed
        if message_id not in world.boxes[user_id].permanent
        and postgres.mailboxes[user_id].phase not in (Phase.STOPPED, Phase.REVOKED)
    }


def within_quota(world: "World", user_id: int) -> None:
    """No minute that ends now has more units than Gmail allows, the user or the project."""
    limits = world.gmail.quota
    assert limits.units_per_minute_per_user and limits.units_per_minute_per_project
    spent = _last_minute(world.spent[user_id], world.now)
    assert spent <= limits.units_per_minute_per_user, f"mailbox {user_id} spent {spent} units in a minute"
    spent = _last_minute(world.spent_by_all, world.now)
    assert spent <= limits.units_per_minute_per_project, f"the project spent {spent} units in a minute"


def _last_minute(spent: Sequence[tuple[float, int]], now: float) -> int:
    return sum(units for _, units in takewhile(lambda entry: entry[0] > now - _WINDOW_S, reversed(spent)))


def nobody_starves(world: "World", owner: "Owner", fetching: Sequence[int]) -> None:
    """Who could fetch is not passed over again and again while others do: every mailbox has its turn.

    Args:
        fetching: the users whose fetches the owner has just begun.
    """
    if not fetching:
        return
    for user_id in world.boxes:
        if world.shard_of(user_id) != owner.shard_id:
            continue
        if user_id in fetching or not _could_fetch(world, owner, user_id):
            owner.passed_over[user_id] = 0
        else:
            owner.passed_over[user_id] += len(fetching)
            most = _TURNS * len(world.boxes)
            assert owner.passed_over[user_id] <= most, f"mailbox {user_id} was passed over {most} times"


def _could_fetch(world: "World", owner: "Owner", user_id: int) -> bool:
    mailbox = owner.shard.mailbox(user_id)
    return (
        mailbox is not None
        and mailbox.fetchable(world.now) > 0
        and user_id not in owner.fetches
        and owner.quota.ready_at(user_id, None, world.now) <= world.now
    )


def bounded(world: "World", owner: "Owner") -> None:
    """Never more under way than the configuration allows."""
    assert len(owner.fetches) <= world.config.fetches, "too many fetches"
    most = max((owner.fetches.count(user_id) for user_id in owner.fetches), default=0)
    assert most <= world.config.fetches_per_mailbox, "too many fetches of one mailbox"
    assert owner.writes <= world.config.writes, "too many writes"


def nobody_is_kept_waiting(world: "World", owner: "Owner") -> None:
    """A mailbox whose own calls do not fail waits no longer than a poll for another's, however slow those are."""
    limited = world.gmail.units_per_project is not None or world.broker_is_silent  # the project's units may lack
    for user_id in owner.shard.user_ids:
        mailbox = owner.shard.mailbox(user_id)
        assert mailbox is not None
        call = mailbox.next_call(world.config.listed_ahead)
        free = call is not None and owner.quota.ready_at(user_id, call, world.now) <= world.now
        stalls = owner.shard.calls_out(user_id) > 0  # from before a stop
        if limited or not free or stalls or owner.shard.failures_in_a_row(user_id) >= _TROUBLED:
            owner.kept_waiting.pop(user_id, None)
            continue
        since = owner.kept_waiting.setdefault(user_id, world.now)
        waited = world.now - since
        assert waited <= world.config.poll.shortest_s, f"mailbox {user_id} has waited {waited:.0f} s for others"


def few_calls(world: "World", user_id: int) -> None:
    """A mailbox makes few calls a minute, whatever it is answered; each of its rounds makes some dozens."""
    calls = len(world.calls[user_id])
    assert calls <= _CALLS_PER_MINUTE, f"mailbox {user_id} made {calls} calls in a minute"
