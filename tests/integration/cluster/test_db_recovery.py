"""`gbm db`, from the command line: the databases are copied, lost, and come back."""

import shutil
from pathlib import Path

import orjson
import pytest

from cluster.stores import Stores
from storage.catalog import leases
from storage.model.records import User
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Mail, Shard


@pytest.fixture
def user(stores: Stores) -> User:
    """Ann, with two messages; nobody owns her shard."""
    user = stores.control.add_user(ANN)
    stores.control.save_credentials(user.user_id, b"sealed by a key that is lost")
    engine = stores.catalog(user).engine
    lease = leases.acquire(engine, user.shard_id, "owner", "cluster", 60)
    shard = Shard(engine, Path(str(stores.blobs.location(""))), lease)
    shard.catalog.open_mailbox(user.shard_id, user.user_id, user.email)
    shard.store(user.user_id, Mail(1), Mail(2))
    leases.release(engine, lease)
    return user


def test_the_databases_are_rebuilt_from_the_archive(stores: Stores, user: User) -> None:
    first = gbm("db", "rollup", "--json")
    second = gbm("db", "rollup", "--shard", str(user.shard_id))
    refused = gbm("db", "rebuild")

    assert first.exit_code == 0, first.output
    assert [shard["file"] is not None for shard in orjson.loads(first.stdout)["shards"]].count(True) == 1
    assert "no changes" in second.stdout
    assert refused.exit_code == 1
    assert "--replace" in refused.stderr

    rebuilt = gbm("db", "rebuild", "--replace", "--json")

    assert rebuilt.exit_code == 0, rebuilt.output
    assert orjson.loads(rebuilt.stdout)["messages"] == 2
    assert "connect every account again" in " ".join(rebuilt.stderr.split())
    assert stores.control.users() == [user]
    assert stores.control.credentials(user.user_id) is None
    assert stores.reader(user).raw(2) == Mail(2).raw


def test_a_backup_is_restored_and_the_key_that_is_missing_is_told(stores: Stores, user: User, tmp_path: Path) -> None:
    saved = gbm("db", "backup", "--out", str(tmp_path / "backup"))
    again = gbm("db", "backup", "--out", str(tmp_path / "backup"))
    refused = gbm("db", "restore", str(tmp_path / "backup"))

    assert [result.exit_code for result in (saved, again, refused)] == [0, 1, 1], saved.output

    restored = gbm("db", "restore", str(tmp_path / "backup"), "--replace", "--json")

    assert restored.exit_code == 0, restored.output
    assert orjson.loads(restored.stdout)["sealing_key"] is False
    assert stores.control.credentials(user.user_id) is not None
    assert stores.reader(user).raw(1) == Mail(1).raw


def test_a_cluster_that_owns_a_shard_is_not_worked_against(stores: Stores, user: User, tmp_path: Path) -> None:
    assert gbm("db", "backup", "--out", str(tmp_path / "backup")).exit_code == 0
    leases.acquire(stores.catalog(user).engine, user.shard_id, "owner", "elsewhere", 60)

    results = [gbm("db", "rebuild", "--replace"), gbm("db", "restore", str(tmp_path / "backup"), "--replace")]

    assert [result.exit_code for result in results] == [1, 1]
    assert all("owns 1 shards" in " ".join(result.stderr.split()) for result in results)
    assert stores.reader(user).raw(1) == Mail(1).raw


def test_an_archive_that_is_not_there_is_told(stores: Stores, user: User, tmp_path: Path) -> None:
    assert gbm("db", "backup", "--out", str(tmp_path / "backup")).exit_code == 0
    shutil.rmtree(Path(stores.blobs.location("")) / f"{user.shard_id:04d}")

    restored = gbm("db", "restore", str(tmp_path / "backup"), "--replace", "--json")

    assert len(orjson.loads(restored.stdout)["found"]["missing"]) == 1
