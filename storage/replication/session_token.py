"""The WAL positions that a reader has seen, as an opaque token: readers return the token to never see older data.

Pure values. One write-ahead log serves all databases of a server, so a position is kept per server, by its system
identifier. The timeline changes with each failover: when it or the server differs from the token's, a replica's
position cannot be compared, and the primary is read (storage/replication/routing.py).
"""

import base64
import binascii
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from storage.errors import BackupError

_VERSION = "1."
_POSITION = struct.Struct(">QIQ")
#: Most servers in a token: it is sent as a header.
MOST_POSITIONS = 32
#: What a token looks like; not every text like that is one.
PATTERN = r"^1\.[A-Za-z0-9_-]*$"
#: Characters of the longest token.
MOST_CHARACTERS = len(_VERSION) + -(-MOST_POSITIONS * _POSITION.size * 4 // 3)


class InvalidSessionToken(BackupError):
    """The token was not issued by this service, or is truncated. Send it unchanged, or omit it."""

    def __str__(self) -> str:
        return "The position is not valid: send X-GBM-Position unchanged, or omit it."


@dataclass(frozen=True, slots=True, order=True)
class WalPosition:
    """A position in the write-ahead log of a server.

    system: pg_control_system().system_identifier; lsn: bytes since the start of the log.
    """

    system: int
    timeline: int
    lsn: int


@dataclass(frozen=True, slots=True)
class SessionToken:
    """The newest position of each server, at most `MOST_POSITIONS`, by system identifier."""

    positions: tuple[WalPosition, ...] = ()

    @classmethod
    def of(cls, positions: Iterable[WalPosition]) -> Self:
        """The newest position of each server: the later timeline, then the later position."""
        newest: dict[int, WalPosition] = {}
        for position in positions:
            newest[position.system] = max(newest.get(position.system, position), position)
        return cls(tuple(newest[system] for system in sorted(newest))[:MOST_POSITIONS])

    def and_(self, position: WalPosition) -> "SessionToken":
        """Add a position. A full token drops another server's position; that server's primary is read next."""
        others = [other for other in self.positions if other.system != position.system][: MOST_POSITIONS - 1]
        return SessionToken.of(
            [*others, *(same for same in self.positions if same.system == position.system), position]
        )

    def of_system(self, system: int) -> WalPosition | None:
        """The position of a server; None: the token has none."""
        return next((position for position in self.positions if position.system == system), None)

    def encode(self) -> str:
        """Encode as URL-safe characters."""
        packed = b"".join(
            _POSITION.pack(position.system, position.timeline, position.lsn) for position in self.positions
        )
        return _VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Self:
        """Decode a token of `encode`.

        Raises:
            InvalidSessionToken.
        """
        if not token.startswith(_VERSION) or len(token) > MOST_CHARACTERS:
            raise InvalidSessionToken
        text = token.removeprefix(_VERSION)
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            decoded = cls.of(WalPosition(*fields) for fields in _POSITION.iter_unpack(packed))
        except (binascii.Error, ValueError, struct.error) as exc:
            raise InvalidSessionToken from exc
        if decoded.encode() != token:
            raise InvalidSessionToken
        return decoded
