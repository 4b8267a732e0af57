"""Encryption of secrets at rest, with a key that is not in the database.

A sealed value opens only with its key and in its context (what it is and whose), so a value that was changed, or
copied into another row, does not open. AES-256-GCM with a random nonce. Several keys may be at hand: the first one
seals, all of them open, which is how a key is replaced.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from storage.errors import BackupError

# The sealed format: version (1 byte) | key id (8 bytes) | nonce (12 bytes) | ciphertext and tag (16 bytes more).
_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES
KEY_BYTES = 32


class KeyMissing(BackupError):
    """The sealing key is missing. Restore the key file, or create a new key."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"The key that seals credentials is missing: put {self.path} back from your backup, "
            "or give the key in the configuration."
        )


class KeyInvalid(BackupError):
    """The sealing key is malformed. Set 32 bytes in base64."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source, self.problem = source, problem

    def __str__(self) -> str:
        return (
            f"The key in {self.source} {self.problem}: use 32 random bytes in base64, "
            "as printed by `openssl rand -base64 32`."
        )


class KeyExposed(BackupError):
    """Other users can read or replace the key file. Restrict its permissions."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"The key file {self.path} {self.problem}: make it yours alone with `chmod 600 {self.path}`."


class KeyUnknown(BackupError):
    """A value was sealed with a key that is not configured. Add the old key to the keyring."""

    def __init__(self, key_id: str) -> None:
        super().__init__(key_id)
        self.key_id = key_id

    def __str__(self) -> str:
        return f"A secret was sealed with the key {self.key_id}, which is not configured: add that key again."


class SealBroken(BackupError):
    """A sealed value was modified, or belongs to another row. Store the secret again."""

    def __init__(self, context: str) -> None:
        super().__init__(context)
        self.context = context

    def __str__(self) -> str:
        return f"The stored secret for {self.context} was damaged or moved: enter this credential again."


class Key:
    """A 32-byte key and its public id."""

    __slots__ = ("_cipher", "key_id")

    def __init__(self, material: bytes, source: str = "GBM_SEALING__KEY") -> None:
        """Create a key from its bytes.

        Raises:
            KeyInvalid: they are not 32.
        """
        if len(material) != KEY_BYTES:
            raise KeyInvalid(source, f"has {len(material)} bytes")
        self._cipher = AESGCM(material)
        # A hash identifies the key without revealing it.
        self.key_id = hashlib.sha256(b"gbm key id\x00" + material).digest()[:_KEY_ID_BYTES]

    def __repr__(self) -> str:
        return f"Key({self.key_id.hex()})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key is not pickled: load it where it is used")

    def encrypt(self, nonce: bytes, plaintext: bytes, bound: bytes) -> bytes:
        """Ciphertext and tag, bound to the associated data."""
        return self._cipher.encrypt(nonce, plaintext, bound)

    def decrypt(self, nonce: bytes, ciphertext: bytes, bound: bytes) -> bytes:
        """The plaintext.

        Raises:
            InvalidTag: ciphertext or associated data was modified.
        """
        return self._cipher.decrypt(nonce, ciphertext, bound)


class Keyring:
    """The current key, and older keys that open existing values."""

    def __init__(self, current: Key, old: Sequence[Key] = ()) -> None:
        self.current = current
        self._keys = {key.key_id: key for key in (current, *old)}

    def __repr__(self) -> str:
        return f"Keyring(current={self.current!r}, keys={len(self._keys)})"

    def find(self, key_id: bytes) -> Key:
        """The key of this id.

        Raises:
            KeyUnknown: the key is not on the ring.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise KeyUnknown(key_id.hex())
        return key


class Sealer:
    """Seals and opens values with the keys of a ring."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    def __repr__(self) -> str:
        return f"Sealer({self._keys!r})"

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Seal with the current key for one context; see `context`. Sealing twice gives different bytes."""
        key = self._keys.current
        header = _VERSION + key.key_id
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return header + nonce + key.encrypt(nonce, plaintext, header + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Open a value that was sealed in this context.

        Raises:
            SealBroken: the value was modified, truncated, or sealed in another context.
            KeyUnknown: its key is not on the ring.
        """
        if len(sealed) < _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _VERSION:
            raise SealBroken(context)
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        key = self._keys.find(header[len(_VERSION) :])
        try:
            return key.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + context.encode())
        except InvalidTag as exc:
            raise SealBroken(context) from exc

    def is_current(self, sealed: bytes) -> bool:
        """False if an older key sealed the value, so that it should be sealed again."""
        return sealed[:_HEADER_BYTES] == _VERSION + self._keys.current.key_id


def context(purpose: str, user_id: int) -> str:
    """The context of one user's secret; unique per purpose and user."""
    return f"{purpose} of user {user_id:d}"


def domain_context(domain: str) -> str:
    """The context of a domain's service account."""
    return f"service account of domain {domain}"


def signing_context(kid: str) -> str:
    """The context of a key that signs access tokens."""
    return f"signing-key:{kid}"


def new_key() -> str:
    """A new random key in base64, for the configuration or a key file."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def load_key(value: SecretStr | None, path: Path, *, create: bool = False) -> Key:
    """Load the key from the configuration, else from its file; with `create`, a missing file is created.

    Raises:
        KeyInvalid: the key is not 32 bytes in base64.
        KeyExposed: other users can read or replace the file.
        KeyMissing: there is neither a value nor a file, and `create` is false.
    """
    if value is not None:
        return _parse(value.get_secret_value(), "GBM_SEALING__KEY")
    if create:
        with contextlib.suppress(FileExistsError):
            _create(path)
    return _read(path)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a process finds the keys: what travels instead of them. variable: of the environment; "": the file."""

    variable: str
    path: Path
    old_paths: tuple[Path, ...] = ()

    def sealer(self, value: SecretStr | None = None) -> "Sealer":
        """Opens and seals secrets. value: the key's text; None: it is in its place.

        Raises:
            KeyMissing, KeyInvalid, KeyExposed.
        """
        if value is None and self.variable:
            value = key_of_variable(self.variable)
        # A former key whose file is gone is no longer needed; if a secret still needs it, KeyUnknown names the key.
        old = [load_key(None, path) for path in self.old_paths if path.exists()]
        return Sealer(Keyring(load_key(value, self.path), old))


def key_of_variable(name: str) -> SecretStr:
    """The key's text in an environment variable of this process.

    Raises:
        KeyMissing.
    """
    text = os.environ.get(name)
    if text is None:
        raise KeyMissing(f"the environment variable {name}")
    return SecretStr(text)


def _parse(text: str, source: str) -> Key:
    try:
        material = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        # Without the cause: its traceback would show the text.
        raise KeyInvalid(source, "is not base64") from None
    return Key(material, source)


def _create(path: Path) -> None:
    """Create a key file atomically, by a hard link, which never replaces a file."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(descriptor)
        path.hardlink_to(part)
    finally:
        part.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: Path) -> Key:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError as exc:
        raise KeyMissing(str(path)) from exc
    except OSError as exc:
        raise KeyExposed(str(path), f"cannot be read ({exc.strerror})") from exc
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyExposed(str(path), "is not a plain file")
        if status.st_mode & 0o077:
            raise KeyExposed(str(path), "can be read or changed by other users")
        if status.st_uid != os.geteuid():
            raise KeyExposed(str(path), "belongs to another user")
        text = file.read(4096).decode("ascii", errors="replace")
    return _parse(text, str(path))
