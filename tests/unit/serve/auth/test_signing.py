"""serve/auth/signing.py"""

import pytest

from serve.auth.signing import SigningKeys
from storage.control.sealing import SealBroken, signing_context
from tests.unit.serve.fakes import Clock, MemoryKeyStore, sealer


def test_the_first_need_makes_the_key_and_seals_it() -> None:
    store = MemoryKeyStore()

    key = SigningKeys(store, sealer()).current()

    [(kid, sealed)] = store.rows
    assert key.kid == kid
    private = key.as_der(private=True)
    assert private not in sealed
    assert sealer().open(sealed, signing_context(kid)) == private


def test_two_replicas_use_the_same_key() -> None:
    store = MemoryKeyStore()
    first, second = SigningKeys(store, sealer()), SigningKeys(store, sealer())

    assert first.current().kid == second.current().kid
    assert len(store.rows) == 1


def test_the_loser_of_a_race_uses_the_winners_key() -> None:
    class Racing(MemoryKeyStore):
        def add_first_signing_key(self, kid: str, sealed: bytes) -> None:
            winner = SigningKeys(self_store, sealer())
            if not self.rows:
                winner.current()
                self.rows = self_store.rows
            super().add_first_signing_key(kid, sealed)

    self_store = MemoryKeyStore()
    store = Racing()

    key = SigningKeys(store, sealer()).current()

    assert [key.kid] == [kid for kid, _ in self_store.rows]


def test_made_up_key_ids_do_not_become_queries() -> None:
    store, clock = MemoryKeyStore(), Clock()
    keys = SigningKeys(store, sealer(), clock)
    keys.current()
    reads = store.reads

    assert [keys.find(f"made-up-{number}") for number in range(50)] == [None] * 50
    assert store.reads == reads


def test_a_key_that_another_replica_made_is_found_after_a_while() -> None:
    store, other, clock = MemoryKeyStore(), MemoryKeyStore(), Clock()
    keys = SigningKeys(store, sealer(), clock)
    keys.current()
    rotated = SigningKeys(other, sealer()).current()
    store.rows = [*other.rows, *store.rows]

    assert keys.find(str(rotated.kid)) is None
    clock.now += 60
    found = keys.find(str(rotated.kid))

    assert found is not None
    assert keys.current().kid == rotated.kid


def test_a_sealed_key_under_another_id_does_not_open() -> None:
    store = MemoryKeyStore()
    SigningKeys(store, sealer()).current()
    store.rows = [("another", store.rows[0][1])]

    with pytest.raises(SealBroken):
        SigningKeys(store, sealer()).current()
