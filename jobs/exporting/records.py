"""What an export is told of its messages and tells of itself. Frozen values."""

from dataclasses import dataclass, field
from datetime import datetime

from storage.model.results import Stored


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
    """A message that could not be exported: its mailbox, its id in Gmail's hex, and why.

    Of a whole segment: no mailbox, and the segment's name.
    """

    email: str
    id: str
    reason: str

    def __str__(self) -> str:
        what = f"{self.email}: message {self.id}" if self.email else f"Segment {self.id}"
        return f"{what} is left out: {self.reason}"


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

    def document(self) -> dict[str, object]:
        """As JSON tells it."""
        return {
            "messages": self.messages,
            "size_bytes": self.size_bytes,
            "damaged": [{"mailbox": it.email, "id": it.id, "reason": it.reason} for it in self.damaged],
        }
