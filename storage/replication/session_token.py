"""How far a reader has seen each PostgreSQL server: an opaque token that it hands back to never see less.

Pure values. One write-ahead log serves all databases of a server, so a mark is kept per server, by its system
identifier. The timeline changes with each failover: where it or the server is not the one of the token, nobody can tell
whether a replica has what was seen, and the primary is asked (storage/replication/routing.py).
"""

import base64
import binascii
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from storage.errors import BackupError

_VERSION = "1."
_MARK = struct.Struct(">QIQ")
#: Servers that a token can speak of: it travels in a header.
MOST_MARKS = 32
#: What a token looks like; not every text like that is one.
PATTERN = r"^1\.[A-Za-z0-9_-]*$"
#: Characters of the longest token.
MOST_CHARACTERS = len(_VERSION) + -(-MOST_MARKS * _MARK.size * 4 // 3)


class InvalidSessionToken(BackupError):
    """The token is none of ours, or cut. Send the one of an answer unchanged, or none."""

    def __str__(self) -> str:
        return "The position is not one that an answer gave: send X-GBM-Position unchanged, or leave it out."


@dataclass(frozen=True, slots=True, order=True)
class WalPosition:
    """A place in the write-ahead log of a server.

    system: pg_control_system().system_identifier; lsn: bytes since the log's beginning.
    """

    system: int
    timeline: int
    lsn: int


@dataclass(frozen=True, slots=True)
class SessionToken:
    """The newest mark of each server, at most `MOST_MARKS`, by system identifier."""

    marks: tuple[WalPosition, ...] = ()

    @classmethod
    def of(cls, marks: Iterable[WalPosition]) -> Self:
        """The newest mark of each server: the later timeline, then the later place."""
        newest: dict[int, WalPosition] = {}
        for mark in marks:
            newest[mark.system] = max(newest.get(mark.system, mark), mark)
        return cls(tuple(newest[system] for system in sorted(newest))[:MOST_MARKS])

    def and_(self, mark: WalPosition) -> "SessionToken":
        """These and one more. A full token forgets another server's mark, so that one's primary is asked next."""
        others = [each for each in self.marks if each.system != mark.system][: MOST_MARKS - 1]
        return SessionToken.of([*others, *(each for each in self.marks if each.system == mark.system), mark])

    def of_system(self, system: int) -> WalPosition | None:
        """The mark of a server; None: it was not seen."""
        return next((mark for mark in self.marks if mark.system == system), None)

    def encode(self) -> str:
        """The token: characters of URLs only."""
        packed = b"".join(_MARK.pack(mark.system, mark.timeline, mark.lsn) for mark in self.marks)
        return _VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Self:
        """What `encode` made into the token.

        Raises:
            InvalidSessionToken.
        """
        if not token.startswith(_VERSION) or len(token) > MOST_CHARACTERS:
            raise InvalidSessionToken
        text = token.removeprefix(_VERSION)
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            found = cls.of(WalPosition(*fields) for fields in _MARK.iter_unpack(packed))
        except (binascii.Error, ValueError, struct.error) as exc:
            raise InvalidSessionToken from exc
        if found.encode() != token:
            raise InvalidSessionToken
        return found
