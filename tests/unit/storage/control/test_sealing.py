"""Sealing: what opens, what does not, and what a key file has to be."""

import base64
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from storage.control.sealing import (
    Key,
    KeyExposed,
    KeyInvalid,
    KeyMissing,
    Keyring,
    KeyUnknown,
    SealBroken,
    Sealer,
    context,
    load_key,
    new_key,
)
from storage.errors import BackupError

SECRET = b'{"refresh_token": "1//a-token"}'
MINE = context("google credentials", 7)
OLD, NEW = Key(bytes(range(32))), Key(bytes(range(32, 64)))


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(Keyring(NEW, [OLD]))


def test_a_sealed_value_opens_in_its_context_and_shows_nothing(sealer: Sealer) -> None:
    sealed = sealer.seal(SECRET, MINE)

    assert sealer.open(sealed, MINE) == SECRET
    assert b"token" not in sealed
    assert sealed != sealer.seal(SECRET, MINE)


@pytest.mark.parametrize("other", [context("google credentials", 77), context("webhook secret", 7), ""])
def test_a_value_moved_to_another_row_does_not_open(sealer: Sealer, other: str) -> None:
    sealed = sealer.seal(SECRET, MINE)

    with pytest.raises(SealBroken, match="damaged or moved"):
        sealer.open(sealed, other)


def test_no_single_changed_bit_goes_unnoticed(sealer: Sealer) -> None:
    sealed = sealer.seal(b"short", MINE)
    for index in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[index // 8] ^= 1 << index % 8
        with pytest.raises((SealBroken, KeyUnknown)):
            sealer.open(bytes(changed), MINE)


def test_a_value_cut_short_at_any_place_does_not_open(sealer: Sealer) -> None:
    sealed = sealer.seal(b"short", MINE)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            sealer.open(sealed[:length], MINE)


@given(plaintext=st.binary(max_size=500), user_id=st.integers(min_value=1, max_value=2**63 - 1))
def test_every_value_of_every_user_comes_back(plaintext: bytes, user_id: int) -> None:
    sealer = Sealer(Keyring(NEW))
    place = context("google credentials", user_id)

    assert sealer.open(sealer.seal(plaintext, place), place) == plaintext


def test_a_replaced_key_opens_old_secrets_and_reports_that_it_is_old(sealer: Sealer) -> None:
    sealed = Sealer(Keyring(OLD)).seal(SECRET, MINE)

    assert sealer.open(sealed, MINE) == SECRET
    assert not sealer.is_current(sealed)
    assert sealer.is_current(sealer.seal(SECRET, MINE))


def test_a_value_of_a_key_that_is_gone_names_that_key() -> None:
    sealed = Sealer(Keyring(OLD)).seal(SECRET, MINE)

    with pytest.raises(KeyUnknown, match=OLD.key_id.hex()):
        Sealer(Keyring(NEW)).open(sealed, MINE)


def test_key_material_is_neither_shown_nor_pickled() -> None:
    material = bytes(range(32))
    shown = repr(Sealer(Keyring(Key(material)))) + repr(Key(material))

    assert material.hex() not in shown
    assert base64.b64encode(material).decode() not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Key(material))


def test_a_key_given_in_the_configuration_goes_before_the_file(tmp_path: Path) -> None:
    text = new_key()

    key = load_key(SecretStr(f" {text}\n"), tmp_path / "absent")

    assert key.key_id == Key(base64.b64decode(text)).key_id


@pytest.mark.parametrize(
    ("text", "problem"),
    [("not base64!", "is not base64"), (base64.b64encode(b"short").decode(), "has 5 bytes"), ("", "has 0 bytes")],
)
def test_a_wrong_key_is_refused_without_being_repeated(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(KeyInvalid, match=problem) as caught:
        load_key(SecretStr(text), tmp_path / "absent")

    assert "openssl rand -base64 32" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_the_file_is_created_once_closed_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_key(None, path, create=True), range(8)))

    assert len({key.key_id for key in keys}) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]
    assert load_key(None, path).key_id == keys[0].key_id


def test_a_missing_file_is_not_created_unasked(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match=r"put .* back"):
        load_key(None, tmp_path / "key")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    load_key(None, path, create=True)
    path.chmod(mode)

    with pytest.raises(KeyExposed) as caught:
        load_key(None, path, create=True)
    assert f"chmod 600 {path}" in str(caught.value)

    path.chmod(0o600)
    assert load_key(None, path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_key(None, path, create=True)
    os.chown(path, 12345, 12345)

    with pytest.raises(KeyExposed, match="another user"):
        load_key(None, path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\x00 nonsense")
    path.chmod(0o600)

    with pytest.raises(KeyInvalid, match=str(path)):
        load_key(None, path)


@pytest.mark.parametrize(
    "error",
    [
        KeyMissing("/k"),
        KeyInvalid("/k", "has 3 bytes"),
        KeyExposed("/k", "is open"),
        KeyUnknown("ab"),
        SealBroken("c"),
    ],
)
def test_an_error_crosses_processes(error: BackupError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
