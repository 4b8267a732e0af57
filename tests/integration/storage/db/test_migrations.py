"""Databases of earlier versions are brought up to date with what they hold."""

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import Engine, text

from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases, transaction


def at_revision(engine: Engine, revision: str) -> None:
    """A shard database of an earlier version."""
    with transaction(engine) as connection:
        config = Config()
        config.set_main_option("script_location", str(migrate._MIGRATIONS / "shard"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_a_log_of_before_moments_loses_what_turned_nothing_over(new_database: Callable[[], str]) -> None:
    control, shard = new_database(), new_database()
    databases = Databases(PostgresConfig(control_dsn=SecretStr(control), shard_dsns=(SecretStr(shard),)))
    engine = databases.shard_database(0)
    at_revision(engine, "0002")
    with transaction(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO segments (name, shard_id, epoch, messages, size_bytes, raw_bytes, parquet_bytes,"
                " defective, created_at) VALUES ('0000/1', 0, 1, 2, 1, 1, 1, 0, '2026-01-01T00:00Z')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO messages (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes,"
                " sha256, segment_id, frame_offset, frame_bytes, raw_offset)"
                " SELECT 1, n, n, 9, now(), ARRAY['A'], 1, '', 1, 0, 1, 0 FROM generate_series(1, 2) AS n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO label_events (user_id, message_id, label_id, is_on, history_id, observed_at)"
                " SELECT 1, 1, 'A', is_on, id, CAST('2026-01-01T00:00Z' AS timestamptz) + id * interval '1 day'"
                " FROM unnest(ARRAY[true, true, false, false, true], ARRAY[1, 2, 3, 4, 5]) AS told (is_on, id)"
            )
        )

    migrate.upgrade(databases, shards=1)

    with transaction(engine) as connection:
        events = connection.execute(text("SELECT history_id, is_on FROM label_events ORDER BY 1")).all()
        rows = connection.execute(
            text("SELECT stored_at::date::text, changed_at::date::text FROM messages ORDER BY message_id")
        ).all()
    databases.close()
    assert [tuple(row) for row in events] == [(1, True), (3, False), (5, True)]
    assert [tuple(row) for row in rows] == [("2026-01-01", "2026-01-06"), ("2026-01-01", None)]
