"""The keys that sign access tokens: Ed25519, the private part sealed in the control database.

The first replica that needs one makes it; of several at once, one wins and all use it. Blocking.
"""

import math
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from joserfc.jwk import OKPKey

from storage.control.sealing import Sealer, signing_context

#: Seconds between two looks for a key that is not known: tokens with made-up key ids must not become queries.
_LOOK_AGAIN_S = 1.0
#: Seconds after which who signs looks whether another key is to be used.
_LOOK_FOR_NEW_S = 60.0


class KeyStore(Protocol):
    """What of storage.control.Control keeps signing keys."""

    def signing_keys(self) -> list[tuple[str, bytes]]: ...

    def add_first_signing_key(self, kid: str, sealed: bytes) -> None: ...

    def rotate_signing_keys(self, kid: str, sealed: bytes, newer_s: float, forget_s: float) -> bool: ...


class SigningKeys:
    """The signing keys, opened, in memory. `known` never blocks; the rest reads the control database."""

    def __init__(
        self,
        store: KeyStore,
        sealer: Sealer,
        clock: Callable[[], float] = time.monotonic,
        rotate_s: float = math.inf,
        lives_s: float = 900.0,
    ) -> None:
        """`rotate_s`: age at which a signing key is replaced; lives_s: how long a token lives that a key has signed."""
        self._store, self._sealer, self._clock = store, sealer, clock
        self._rotate_s, self._lives_s = rotate_s, lives_s
        self._keys: dict[str, OKPKey] = {}  # newest first
        self._looked_at = -math.inf
        self._lock = threading.Lock()

    def current(self) -> OKPKey:
        """The key to sign with, made if there is none."""
        with self._lock:
            if self._clock() - self._looked_at >= _LOOK_FOR_NEW_S:
                self._read()
                if self._keys and self._rotate_s < math.inf:
                    self._rotate(self._rotate_s)
            if not self._keys:
                self._store.add_first_signing_key(*self._made())
                self._read()
            return next(iter(self._keys.values()))

    def rotate(self) -> str:
        """Have another key sign from now on, whatever the age of the present one; returns its id."""
        with self._lock:
            self._rotate(0.0)
            return next(iter(self._keys))

    def public(self) -> list[dict[str, Any]]:
        """The public keys as JWKs (RFC 7517, 8037), newest first: what verifies our access tokens."""
        self.current()
        with self._lock:
            return [
                {**key.as_dict(private=False), "kid": kid, "alg": "Ed25519", "use": "sig"}
                for kid, key in self._keys.items()
            ]

    def _rotate(self, newer_s: float) -> None:
        # A new key is published before replicas that have not heard of it can meet its tokens only by their looking
        # for it (`find`), which they do.
        if self._store.rotate_signing_keys(*self._made(), newer_s, self._lives_s + _LOOK_FOR_NEW_S + 60.0):
            self._read()

    def _made(self) -> tuple[str, bytes]:
        kid, key = secrets.token_hex(8), OKPKey.generate_key("Ed25519")
        return kid, self._sealer.seal(key.as_der(private=True), signing_context(kid))

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
