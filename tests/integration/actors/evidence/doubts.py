"""Wrong answers for the simulator to give, and where the archive differs from Gmail then."""

import asyncio
from collections import Counter
from typing import Any

import orjson
from sqlalchemy import text

from actors.decisions import Mode
from actors.owner import ShardOwner
from storage.db.engines import transaction
from storage.mailbox.failures import Failed
from storage.model.records import MailboxRecord, Phase, User
from storage.model.storable import storable_id
from tests.integration.actors.conftest import Cluster, until


async def calls_answered(cluster: Cluster) -> int:
    stats = await asyncio.to_thread(cluster.simulator.ask, "stats")
    return sum(stats["answered"].values())


def deviate(cluster: Cluster, *rules: dict[str, Any]) -> None:
    """Have Gmail's answers deviate by these rules alone."""
    cluster.simulator.ask("deviations", orjson.dumps({"rules": rules}))


def state(cluster: Cluster, user: User) -> MailboxRecord:
    found = cluster.reader(user).state()
    assert found is not None
    return found


def stored(cluster: Cluster, user: User) -> dict[int, tuple[bool, frozenset[str]]]:
    """Message -> (deleted, labels), as the archive has it."""
    with transaction(cluster.catalog.engine) as connection:
        rows = connection.execute(
            text("SELECT message_id, deleted_at IS NOT NULL, labels FROM messages WHERE user_id = :user_id"),
            {"user_id": user.user_id},
        )
        return {row[0]: (row[1], frozenset(row[2])) for row in rows}


def wrong(cluster: Cluster, user: User) -> dict[int, object]:
    """Where the archive differs from Gmail: bytes, labels, and deletions."""
    held, mine = cluster.simulator.held(user.email), stored(cluster, user)
    found: dict[int, object] = dict(cluster.differences(user))
    for message_id, (deleted, labels) in mine.items():
        if deleted != (message_id not in held):
            found[message_id] = f"deleted: {deleted}"
        elif not deleted and labels != {storable_id(label) for label in held[message_id]["labels"]}:
            found[message_id] = labels
    return found


def mended_events(cluster: Cluster) -> list[dict[str, int]]:
    with transaction(cluster.catalog.engine) as connection:
        return list(connection.execute(text("SELECT data FROM outbox WHERE type = 'mailbox.mended'")).scalars())


def events(cluster: Cluster) -> list[str]:
    """The kinds of all events, oldest first."""
    with transaction(cluster.catalog.engine) as connection:
        return list(connection.execute(text("SELECT type FROM outbox ORDER BY event_id")).scalars())


def mended(cluster: Cluster) -> dict[str, int]:
    """What all events say was mended, by what it was; without zeros."""
    total: Counter[str] = Counter()
    for event in mended_events(cluster):
        total.update(event)
    return {what: count for what, count in total.items() if count}


def seen_as(cluster: Cluster, owner: ShardOwner, user: User) -> tuple[Phase, str | None, list[Failed], int]:
    """What a person sees of a mailbox: phase, error, failures, and the failures that the owner counts."""
    status, record = owner.status(user.user_id), state(cluster, user)
    assert status is not None
    return record.phase, record.error, cluster.reader(user).failures(10), status["failed"]


def deleted(cluster: Cluster, user: User) -> set[int]:
    return {message_id for message_id, (gone, _) in stored(cluster, user).items() if gone}


async def sync(cluster: Cluster, owner: ShardOwner, user: User, mode: Mode = Mode.INCREMENTAL) -> None:
    await owner.request(user, mode)
    await cluster.quiet(owner, user)


async def backed_up(cluster: Cluster) -> tuple[ShardOwner, User]:
    """Everything of the first mailbox, stored."""
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    await sync(cluster, owner, user, Mode.FULL)
    assert wrong(cluster, user) == {}
    return owner, user


async def seen(cluster: Cluster, user: User, said: str) -> None:
    """Wait until the mailbox's error says this."""

    async def says() -> bool:
        found = await asyncio.to_thread(cluster.reader(user).state)
        return found is not None and said in (found.error or "")

    await until(says)
