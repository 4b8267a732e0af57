"""Which databases a cluster has."""

import pytest
from pydantic import SecretStr

from storage.config import PostgresConfig
from storage.db.engines import Databases, DatabasesMisnamed, InvalidDsn

CONTROL = SecretStr("postgresql://ada:secret@db.example/gbm")


def test_two_shard_databases_lie_beside_the_control_database_when_none_are_named() -> None:
    databases = Databases(PostgresConfig(control_dsn=CONTROL))

    assert [dsn.rsplit("/", 1)[1] for dsn in databases.dsns()] == ["gbm", "gbm_shard0", "gbm_shard1"]


def test_a_shard_database_that_is_the_control_database_is_refused() -> None:
    with pytest.raises(DatabasesMisnamed):
        Databases(PostgresConfig(control_dsn=CONTROL, shard_dsns=(CONTROL,)))


def test_a_shard_in_a_database_that_is_not_named_is_an_error_that_says_so() -> None:
    databases = Databases(PostgresConfig(control_dsn=CONTROL))

    with pytest.raises(DatabasesMisnamed, match="database 2"):
        databases.shard_database(2)


@pytest.mark.parametrize("dsn", ["sqlite:///gbm.db", "postgresql://host", "not a url", "mysql://host/gbm"])
def test_an_invalid_dsn_is_refused_without_repeating_it(dsn: str) -> None:
    with pytest.raises(InvalidDsn) as caught:
        Databases(PostgresConfig(control_dsn=SecretStr(dsn)))

    assert dsn not in str(caught.value)


@pytest.mark.parametrize(
    ("replicas", "says"),
    [
        ((("postgresql://db/a",),), "1 lists for 2"),
        ((("postgresql://db/a",), ("postgresql://db/a",)), "listed twice"),
        (
            (("postgresql://db.example/gbm_shard0",), ("postgresql://ada:secret@db.example/gbm",)),
            "is a primary",
        ),
    ],
)
def test_replicas_that_do_not_fit_the_shard_databases_are_refused(
    replicas: tuple[tuple[str, ...], ...], says: str
) -> None:
    dsns = tuple(tuple(SecretStr(dsn) for dsn in each) for each in replicas)
    with pytest.raises(DatabasesMisnamed, match=f"{says}.*SHARD_REPLICA_DSNS"):
        Databases(PostgresConfig(control_dsn=CONTROL, shard_replica_dsns=dsns))


def test_a_replica_that_is_no_url_names_its_setting() -> None:
    with pytest.raises(InvalidDsn, match="SHARD_REPLICA_DSNS"):
        Databases(PostgresConfig(control_dsn=CONTROL, shard_replica_dsns=((SecretStr("not a url"),), ())))
