"""What an export is told of its messages and tells of itself. Frozen values."""

from dataclasses import dataclass, field
from datetime import datetime

from storage.emails import Stored


@dataclass(frozen=True, slots=True)
class Source:
    """Whose mail, of when, and which of it.

    labels: label id -> its name now.
    """

    email: str
    as_of: datetime
    query: str = ""
    deleted: bool = False
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Damage:
    """A message that could not be exported: its mailbox, its id in Gmail's hex, and why."""

    email: str
    id: str
    reason: str


@dataclass(slots=True)
class Report:
    """What was exported."""

    messages: int = 0
    size_bytes: int = 0
    damaged: list[Damage] = field(default_factory=list)

    def add(self, message: Stored) -> None:
        """One more."""
        self.messages += 1
        self.size_bytes += message.size_bytes
