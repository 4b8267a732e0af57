"""The configuration that travels to other processes carries no sealing key."""

import base64
import pickle
from pathlib import Path

import pytest
from pydantic import SecretStr

from actors.config import BackupConfig
from storage.control.sealing import KeyMissing, new_key


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
