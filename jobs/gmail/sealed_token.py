"""An access token as it travels to a task: sealed, because Ray keeps, spills and shows arguments.

Whoever runs the task finds the sealing key where its process has it.
"""

from dataclasses import dataclass
from functools import lru_cache

from pydantic import SecretStr

from storage.control.sealing import KeyPlace, KeyUnknown, Sealer

_CONTEXT = "access token in transit"


@dataclass(frozen=True, slots=True)
class SealedToken:
    """A sealed access token, and where its key is."""

    sealed: bytes
    keys: KeyPlace

    def open(self) -> SecretStr:
        """The token.

        Raises:
            KeyMissing, KeyInvalid, KeyExposed, KeyUnknown, SealBroken.
        """
        try:
            return self._opened()
        except KeyUnknown:  # the key was replaced since this process loaded it
            _sealer.cache_clear()
            return self._opened()

    def _opened(self) -> SecretStr:
        return SecretStr(_sealer(self.keys).open(self.sealed, _CONTEXT).decode())


def seal(token: SecretStr, sealer: Sealer, keys: KeyPlace) -> SealedToken:
    """The token as it may travel."""
    return SealedToken(sealer.seal(token.get_secret_value().encode(), _CONTEXT), keys)


@lru_cache(8)
def _sealer(keys: KeyPlace) -> Sealer:
    return keys.sealer()
