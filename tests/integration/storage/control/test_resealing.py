"""A sealing key is replaced: interrupted in the middle, continued, and the old key is needed no more."""

import base64
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from storage.config import PostgresConfig
from storage.control.control import Control
from storage.control.resealing import reseal
from storage.control.sealing import (
    Key,
    Keyring,
    KeyUnknown,
    Sealer,
    context,
    domain_context,
    new_key,
    signing_context,
)
from storage.db.engines import Databases, transaction


def key() -> Key:
    return Key(base64.b64decode(new_key()))


@pytest.fixture
def control(new_stores: Callable[[], tuple[str, ...]]) -> Iterator[Engine]:
    dsn, *shards = map(SecretStr, new_stores())
    databases = Databases(PostgresConfig(control_dsn=dsn, shard_dsns=tuple(shards)))
    yield databases.control
    databases.close()


def filled(engine: Engine, sealer: Sealer) -> dict[str, bytes]:
    """Secrets of every kind, by context."""
    control, secrets = Control(engine), {}
    for number in range(5):
        user = control.add_user(f"user{number}@example.com")
        bound = context("credentials", user.user_id)
        secrets[bound] = f"grant {number}".encode()
        control.save_credentials(user.user_id, sealer.seal(secrets[bound], bound))
    secrets[domain_context("example.com")] = b"account"
    control.save_domain("example.com", sealer.seal(b"account", domain_context("example.com")), "admin@example.com")
    secrets[signing_context("kid")] = b"signing"
    control.add_first_signing_key("kid", sealer.seal(b"signing", signing_context("kid")))
    return secrets


def stored(engine: Engine) -> dict[str, bytes]:
    with transaction(engine) as connection:
        found = {context("credentials", row[0]): row[1] for row in connection.execute(text("TABLE credentials"))}
        for row in connection.execute(text("SELECT domain, sealed FROM domains")):
            found[domain_context(row.domain)] = row.sealed
        for row in connection.execute(text("SELECT kid, sealed FROM signing_keys")):
            found[signing_context(row.kid)] = row.sealed
    return {bound: bytes(sealed) for bound, sealed in found.items()}


class Killed(Exception):
    pass


def test_an_interrupted_rotation_goes_on_and_needs_the_old_key_no_more(control: Engine) -> None:
    old, new = key(), key()
    secrets = filled(control, Sealer(Keyring(old)))
    both, steps = Sealer(Keyring(new, [old])), []

    def kill(seen: int, total: int) -> None:
        steps.append((seen, total))
        if seen == 3:
            raise Killed

    with pytest.raises(Killed):
        reseal(control, both, kill)
    half = {bound: both.open(sealed, bound) for bound, sealed in stored(control).items()}
    done = reseal(control, both, lambda *_: None)

    assert half == secrets, "both keys are at hand in the middle"
    assert steps == [(1, 7), (2, 7), (3, 7)]
    assert (done.resealed, done.current, done.unopened) == (4, 3, [])
    alone = Sealer(Keyring(new))
    assert {bound: alone.open(sealed, bound) for bound, sealed in stored(control).items()} == secrets
    assert reseal(control, alone, lambda *_: None).current == 7


def test_what_no_key_opens_is_reported_and_kept(control: Engine) -> None:
    filled(control, Sealer(Keyring(key())))
    before = stored(control)

    done = reseal(control, Sealer(Keyring(key())), lambda *_: None)

    assert [bound for bound, _ in done.unopened] == list(before)
    assert stored(control) == before


def test_a_secret_that_changes_meanwhile_keeps_its_new_value(control: Engine) -> None:
    old, new = key(), key()
    filled(control, Sealer(Keyring(old)))
    both = Sealer(Keyring(new, [old]))
    bound = context("credentials", 2)

    def change(seen: int, _: int) -> None:
        if seen == 1:
            Control(control).save_credentials(2, both.seal(b"newer", bound))

    reseal(control, both, change)

    assert both.open(stored(control)[bound], bound) == b"newer"
    with pytest.raises(KeyUnknown):
        Sealer(Keyring(old)).open(stored(control)[bound], bound)
