"""The archive against the simulated Gmail: ids, bytes, labels, deletions; and nothing stored twice."""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from sqlalchemy import text

from cluster.stores import Stores
from storage.db.engines import transaction
from storage.model.records import User
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX
from tests.e2e.chaos.life import Life


def differences(stores: Stores, life: Life, user: User) -> list[str]:
    """What is not as Gmail has it, but for the bytes; empty when everything is."""
    found = []
    held, stored = life.held(user.email), _stored(stores, user)
    alive = {message_id for message_id, row in stored.items() if not row["deleted"]}
    found += [f"{message_id:x} is missing" for message_id in held.keys() - alive]
    found += [f"{message_id:x} is not deleted" for message_id in alive - held.keys()]
    for message_id in alive & held.keys():
        if set(stored[message_id]["labels"]) != set(held[message_id]["labels"]):
            labels = stored[message_id]["labels"], held[message_id]["labels"]
            found.append(f"{message_id:x} has the labels {labels[0]}, not {labels[1]}")
    return [f"{user.email}: {sentence}" for sentence in found]


def wrong_bytes(stores: Stores, life: Life, user: User) -> list[str]:
    """Messages whose stored bytes are not Gmail's; of a message that went, not those of its own digest."""
    reader, held = stores.reader(user), life.held(user.email)
    wrong = []
    for message_id, row in _stored(stores, user).items():
        raw = reader.raw(message_id)
        wanted = held[message_id]["sha256"] if message_id in held else row["sha256"]
        if raw is None or sha256(raw).hexdigest() != wanted:
            wrong.append(f"{user.email}: {message_id:x}")
    return wrong


def _stored(stores: Stores, user: User) -> dict[int, dict[str, Any]]:
    with transaction(stores.catalog(user).engine) as connection:
        statement = text(
            "SELECT message_id, labels, encode(sha256, 'hex') AS sha256, deleted_at IS NOT NULL AS deleted"
            " FROM messages WHERE user_id = :user_id"
        )
        rows = connection.execute(statement, {"user_id": user.user_id})
        return {row.message_id: {**row._mapping} for row in rows}


def stored_twice(stores: Stores, archive: Path) -> list[str]:
    """Messages that committed segments hold more than once, or that the index and the segments disagree about."""
    in_files: Counter[tuple[int, int]] = Counter()
    in_index: set[tuple[int, int]] = set()
    names: set[str] = set()
    for database in range(stores.databases.shard_databases):
        with transaction(stores.databases.shard_database(database)) as connection:
            live = text("SELECT name FROM segments WHERE retired_at IS NULL")
            names |= set(connection.execute(live).scalars())
            rows = connection.execute(text("SELECT user_id, message_id FROM messages"))
            in_index |= {(row.user_id, row.message_id) for row in rows}
    for name in names:
        in_files.update(_keys(archive / (name + PARQUET_SUFFIX)))
        assert (archive / (name + RAW_SUFFIX)).is_file(), f"{name} has no raw file"
    twice = [f"{key} is stored {count} times" for key, count in in_files.items() if count > 1]
    return twice + [f"{key} is in the index or in a segment only" for key in in_index ^ in_files.keys()]


def _keys(path: Path) -> Iterator[tuple[int, int]]:
    table = pq.read_table(path, columns=["user_id", "message_id"], partitioning=None)
    return zip(table["user_id"].to_pylist(), table["message_id"].to_pylist(), strict=True)
