"""`gbm db`: an operator upgrades the databases; in production nothing else does."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from typer.testing import CliRunner

from cluster.main import whole_program
from cluster.settings import load
from cluster.stores import open_databases, open_stores
from cluster.upgrade.home_version import HomeVersion
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.db.migrate import SchemaOutdated
from tests.integration.storage.db.test_migrations import at_revision


@pytest.fixture
def production(home: Path, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The DSNs of the databases of a production installation, empty."""
    dsns = [new_database() for _ in range(3)]
    for name, value in {
        "GBM_HOME": str(home),
        "GBM_ENVIRONMENT": "production",
        "GBM_POSTGRES__CONTROL_DSN": dsns[0],
        "GBM_POSTGRES__SHARD_DSNS": json.dumps(dsns[1:]),
    }.items():
        monkeypatch.setenv(name, value)
    return dsns


def test_production_is_upgraded_by_its_operator_alone(production: list[str]) -> None:
    with pytest.raises(SchemaOutdated), open_stores(load()):
        pass
    before = CliRunner().invoke(whole_program(), ["db", "status", "--json"])
    assert (before.exit_code, [state["revision"] for state in json.loads(before.stdout)]) == (1, [None] * 3)

    done = CliRunner().invoke(whole_program(), ["db", "upgrade"])

    assert done.exit_code == 0
    assert "shard database 2 of 2: new -> " in done.stderr
    after = CliRunner().invoke(whole_program(), ["db", "status", "--json"])
    assert (after.exit_code, all(state["current"] for state in json.loads(after.stdout))) == (0, True)
    with open_stores(load()) as stores:
        assert len(stores.shards) == load().shards.count


def test_a_database_that_is_in_the_way_is_named_and_the_exit_code_is_1(
    production: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = make_url(production[1]).set(username="nobody-here").render_as_string(hide_password=False)
    monkeypatch.setenv("GBM_POSTGRES__SHARD_DSNS", json.dumps([wrong, production[2]]))

    done = CliRunner().invoke(whole_program(), ["db", "upgrade"])

    assert done.exit_code == 1
    assert "shard database 1 of 2: PostgreSQL at" in done.stderr
    assert "shard database 2 of 2: new -> " in done.stderr
    assert "1 of 3 databases are not up to date (shard database 1 of 2)" in done.stderr


def test_without_a_whole_copy_nothing_is_migrated_unless_the_operator_says_so(
    production: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = make_url(production[1]).set(username="nobody-here").render_as_string(hide_password=False)
    monkeypatch.setenv("GBM_POSTGRES__SHARD_DSNS", json.dumps([wrong, production[2]]))
    with open_databases(load(), lambda _: None) as (databases, _):
        at_revision(databases.shard_database(1), "0005")

    refused = CliRunner().invoke(whole_program(), ["db", "upgrade", "--copy"])

    assert refused.exit_code == 1
    problem = "cannot be copied before the upgrade (shard database 1 of 2: PostgreSQL at"
    assert problem in " ".join(refused.stderr.split())
    assert "--no-copy" in refused.stderr
    with open_databases(load(), lambda _: None) as (databases, _):
        assert [state.revision for state in migrate.states(databases)] == [None, None, "0005"]

    done = CliRunner().invoke(whole_program(), ["db", "upgrade", "--no-copy"])

    assert done.exit_code == 1
    assert "shard database 1 of 2: PostgreSQL at" in done.stderr
    assert "shard database 2 of 2: 0005 -> " in done.stderr
    assert HomeVersion.read(load().home).under_way is not None, "one database is not upgraded yet"
    monkeypatch.setenv("GBM_POSTGRES__SHARD_DSNS", json.dumps(production[1:]))
    assert CliRunner().invoke(whole_program(), ["db", "upgrade", "--no-copy"]).exit_code == 0
    assert HomeVersion.read(load().home).under_way is None


def test_a_command_names_itself_to_postgres_and_its_idle_transactions_end(
    production: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CliRunner().invoke(whole_program(), ["db", "upgrade"]).exit_code == 0
    names = "application_name", "statement_timeout", "idle_in_transaction_session_timeout"
    told: list[list[object]] = []

    def look(databases: Databases, shards: int) -> None:
        with transaction(databases.shard_database(shards % 2)) as connection:
            told.append([connection.execute(text(f"SHOW {name}")).scalar() for name in names])

    monkeypatch.setattr(migrate, "register", look)
    assert CliRunner().invoke(whole_program(), ["accounts", "list"]).exit_code == 0
    with open_stores(load()):
        pass

    assert told == [["gbm accounts list_accounts", "1min", "5min"], ["gbm", "1min", "5min"]]
