"""The keys that sign access tokens: Ed25519, the private part sealed in the control database.

The first replica that needs one makes it; of several at once, one wins and all use it. Blocking.
"""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Protocol

from joserfc.jwk import OKPKey

from storage.sealing import Sealer

#: Seconds between two looks for a key that is not known: tokens with made-up key ids must not become queries.
_LOOK_AGAIN_S = 10.0


class KeyStore(Protocol):
    """What of storage.control.Control keeps signing keys."""

    def signing_keys(self) -> list[tuple[str, bytes]]: ...

    def add_first_signing_key(self, kid: str, sealed: bytes) -> None: ...


def signing_context(kid: str) -> str:
    """What a sealed signing key is bound to."""
    return f"signing-key:{kid}"


class SigningKeys:
    """The signing keys, opened, in memory. `known` never blocks; the rest reads the control database."""

    def __init__(self, store: KeyStore, sealer: Sealer, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._sealer, self._clock = store, sealer, clock
        self._keys: dict[str, OKPKey] = {}  # newest first
        self._looked_at = -_LOOK_AGAIN_S
        self._lock = threading.Lock()

    def current(self) -> OKPKey:
        """The key to sign with, made if there is none."""
        with self._lock:
            if not self._keys:
                self._read()
            if not self._keys:
                kid = secrets.token_hex(8)
                key = OKPKey.generate_key("Ed25519")
                self._store.add_first_signing_key(
                    kid, self._sealer.seal(key.as_der(private=True), signing_context(kid))
                )
                self._read()
            return next(iter(self._keys.values()))

    def known(self, kid: str) -> OKPKey | None:
        """A key that was read before."""
        return self._keys.get(kid)

    def find(self, kid: str) -> OKPKey | None:
        """A key by its id; looks for new ones now and then."""
        with self._lock:
            if kid not in self._keys and self._clock() - self._looked_at >= _LOOK_AGAIN_S:
                self._read()
            return self._keys.get(kid)

    def _read(self) -> None:
        rows = self._store.signing_keys()
        self._keys = {
            kid: OKPKey.import_key(self._sealer.open(sealed, signing_context(kid)), {"kid": kid})
            for kid, sealed in rows
        }
        self._looked_at = self._clock()
