"""The configuration that travels to other processes carries no sealing key."""

import base64
import pickle
from pathlib import Path

import pytest
from pydantic import SecretStr

from actors.config import BackupConfig
from jobs.gmail.sealed_token import seal
from serve.config import GoogleConfig, ServeConfig
from serve.settings import Settings
from storage.config import PostgresConfig
from storage.control.sealing import KeyMissing, KeyPlace, new_key


def test_a_pickled_configuration_does_not_contain_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = new_key()
    monkeypatch.setenv("TEST_SEALING", key)
    config = BackupConfig(
        cluster="test",
        sealing_key=SecretStr(key),
        sealing_key_variable="TEST_SEALING",
        sealing_key_path=tmp_path / "absent",
    )
    sealed = config.sealer().seal(b"secret", "here")

    pickled = pickle.dumps(config)
    travelled: BackupConfig = pickle.loads(pickled)

    assert key.encode() not in pickled and base64.b64decode(key) not in pickled
    assert travelled.sealing_key is None
    assert travelled.sealer().open(sealed, "here") == b"secret"
    assert config.sealing_key is not None, "the configuration itself is unchanged"


def test_a_process_without_the_variable_says_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_SEALING", raising=False)

    with pytest.raises(KeyMissing, match="TEST_SEALING"):
        BackupConfig(cluster="test", sealing_key_variable="TEST_SEALING").sealer()


def test_old_keys_open_and_the_current_key_seals(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).write_text(new_key())
        (tmp_path / name).chmod(0o600)
    before = BackupConfig(cluster="test", sealing_key_path=tmp_path / "old").sealer()
    after = BackupConfig(
        cluster="test", sealing_key_path=tmp_path / "new", old_sealing_key_paths=(tmp_path / "old",)
    ).sealer()

    sealed = before.seal(b"secret", "here")

    assert after.open(sealed, "here") == b"secret"
    assert not after.is_current(sealed)
    assert after.is_current(after.seal(b"secret", "here"))


def test_a_pickled_configuration_contains_no_password_of_a_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TEST_SEALING", new_key())
    dsns = [SecretStr(f"postgresql://gbm:planted-{name}@db/{name}") for name in ("control", "shard", "replica")]
    query = SecretStr("postgresql://db/x?user=gbm&password=planted-query")
    postgres = PostgresConfig(
        control_dsn=dsns[0], shard_dsns=(dsns[1],), shard_replica_dsns=((dsns[2],),), control_replica_dsns=(query,)
    )
    config = BackupConfig(cluster="test", postgres=postgres, sealing_key_variable="TEST_SEALING")
    settings = Settings(
        config,
        ServeConfig(google=GoogleConfig(client_secret=SecretStr("planted-client"))),
        None,
        SecretStr("planted-proof"),
    )
    token = seal(SecretStr("planted-token"), config.sealer(), config.key_place)

    pickled = [pickle.dumps(one) for one in (config, settings, token)]

    assert [one for one in pickled if b"planted" in one] == []
    assert [pickle.loads(one) for one in pickled] == [config, settings, token]
    assert token.open().get_secret_value() == "planted-token"
    monkeypatch.delenv("TEST_SEALING")
    with pytest.raises(KeyMissing):
        pickle.loads(pickled[0])


@pytest.mark.parametrize(
    "only", [SecretStr("postgresql://db/x?password=planted"), SecretStr("postgresql://:planted@db")]
)
def test_a_password_anywhere_in_a_url_is_sealed(only: SecretStr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SEALING", new_key())
    for postgres in (
        PostgresConfig(control_dsn=only),
        PostgresConfig(shard_dsns=(only,)),
        PostgresConfig(shard_replica_dsns=((only,),)),
        PostgresConfig(control_replica_dsns=(only,)),
    ):
        config = BackupConfig(cluster="test", postgres=postgres, sealing_key_variable="TEST_SEALING")
        assert b"planted" not in pickle.dumps(config)
        assert pickle.loads(pickle.dumps(config)).postgres == postgres


def test_a_token_is_opened_after_the_key_was_replaced(tmp_path: Path) -> None:
    path, old = tmp_path / "sealing.key", tmp_path / "old.key"
    path.write_text(new_key())
    path.chmod(0o600)
    place = KeyPlace("", path, (old,))
    assert seal(SecretStr("one"), place.sealer(), place).open().get_secret_value() == "one"

    path.rename(old)
    path.write_text(new_key())
    path.chmod(0o600)

    assert seal(SecretStr("two"), place.sealer(), place).open().get_secret_value() == "two"
