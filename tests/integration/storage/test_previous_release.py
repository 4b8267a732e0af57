"""During an upgrade the previous release works on the newest schema: every query of its, and its whole write path."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases, transaction
from tests.integration.storage.parameters import forms, values_of

COPY_TYPES = (
    *("int8", "int8", "int8", "int8", "timestamptz", "text[]", "int8", "bytea"),
    *("int8", "int4", "int4", "int8"),
)
FOLDER = Path(__file__).parent / "previous_release"
#: Of the control database; the others are of shard databases.
CONTROL = ("api_", "campaign", "credentials_", "domain_", "quota_", "refresh_", "signing_", "user")
NAMES = sorted(path.stem for path in FOLDER.glob("*.sql"))


def sql(name: str) -> str:
    lines = (FOLDER / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


@pytest.mark.parametrize("name", NAMES)
def test_its_query_is_understood(databases: Databases, name: str) -> None:
    engine = databases.control if name.startswith(CONTROL) else databases.shard_database(0)
    for statement in forms(sql(name), sql("messages_as_of")):
        with transaction(engine) as connection:
            assert connection.execute(text(f"EXPLAIN {statement}"), values_of(name, statement)).all()


@pytest.fixture
def engine(new_database: Callable[[], str]) -> Iterator[Engine]:
    """A new shard database."""
    control, shard = SecretStr(new_database()), SecretStr(new_database())
    databases = Databases(PostgresConfig(control_dsn=control, shard_dsns=(shard,)))
    migrate.upgrade(databases, shards=1)
    yield databases.shard_database(0)
    databases.close()


def test_its_commit_is_stored(engine: Engine) -> None:
    now = datetime.now(UTC)
    with transaction(engine) as connection:

        def ask(name: str, /, **values: Any) -> Any:
            return connection.execute(text(sql(name)), values_of(name, sql(name)) | values)

        ask("mailbox_open", user_id=7, email="ann@example.com")
        segment = ask("segment_insert", name="0001/1-a").scalar()
        ask("segment_users_insert", segment_id=segment)
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor, cursor.copy((FOLDER / "copy.txt").read_text()) as copy:
            copy.set_types(COPY_TYPES)
            copy.write_row((7, 7, 7, 1, now, ["A"], 5, b"sum", 0, 100, 0, segment))
        assert len(ask("messages_locked").all()) == 1
        ask("messages_relabel", labels=["A\x1fB"], history_ids=[9])
        ask("label_events_insert", label_ids=["B"], is_on=[True], history_ids=[9])
        ask("mailbox_update", user_id=7, messages=1)
        for attempts in (1, 2):
            ask("failed_upsert", message_ids=[8], attempts=[attempts], errors=["HTTP 500"])
        ask("failed_settle", message_ids=[8])
        ask("outbox_insert", types=["messages.stored"])

    with transaction(engine) as connection:

        def told(statement: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(text(statement))]

        assert told("SELECT message_id, labels, history_id FROM messages") == [(7, ["A", "B"], 9)]
        assert told("SELECT count(*) FROM failed_items") == [(0,)]
        assert told("SELECT event_id IS NOT NULL, user_id, type, version FROM outbox") == [
            (True, 7, "messages.stored", 1)
        ]
