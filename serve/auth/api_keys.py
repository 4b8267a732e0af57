"""API keys: `gbm_ID_SECRET`. The id names the key in lists and logs; the secret is 256 random bits.

Only the SHA-256 of a key is stored, and keys are looked up by it, so that no timing reveals part of a secret.
The command line and the auth application create keys and show them once.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass

from pydantic import SecretStr

_ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without look-alikes: people read ids aloud
_ID_CHARS = 10
_SECRET_BYTES = 32
_FORM = re.compile(r"gbm_([a-z0-9]{10})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key. `text`: to be shown once; `secret_hash`: to be stored."""

    key_id: str
    text: SecretStr
    secret_hash: bytes


def new_key() -> NewKey:
    """Create a key."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARS))
    text = f"gbm_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return NewKey(key_id, SecretStr(text), secret_hash(text))


def parse(text: str) -> tuple[str, bytes] | None:
    """(key id, hash to look it up by) of a key's text; None if the text does not have the form of a key."""
    match = _FORM.fullmatch(text)
    return (match[1], secret_hash(text)) if match else None


def secret_hash(text: str) -> bytes:
    """SHA-256 of a secret. No slow hash: 256 random bits cannot be guessed."""
    return hashlib.sha256(text.encode()).digest()
