"""Inputs and results of exports, as values."""

from dataclasses import dataclass, field
from datetime import datetime

from storage.model.results import Stored


@dataclass(frozen=True, slots=True)
class ExportSource:
    """A mailbox, the time of the export, and the search that selects messages.

    labels: label id -> its current name.
    """

    email: str
    as_of: datetime
    query: str = ""
    deleted: bool = False
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Damage:
    """A message that could not be exported: its mailbox, its id in Gmail's hex, and the reason.

    For a whole segment: no mailbox, and the segment's name.
    """

    email: str
    id: str
    reason: str

    def __str__(self) -> str:
        what = f"{self.email}: message {self.id}" if self.email else f"Segment {self.id}"
        return f"{what} is skipped: {self.reason}"


@dataclass(slots=True)
class Report:
    """Result of an export."""

    messages: int = 0
    size_bytes: int = 0
    damaged: list[Damage] = field(default_factory=list)

    def add(self, message: Stored) -> None:
        """One more."""
        self.messages += 1
        self.size_bytes += message.size_bytes

    def document(self) -> dict[str, object]:
        """The report as JSON values."""
        return {
            "messages": self.messages,
            "size_bytes": self.size_bytes,
            "damaged": [{"mailbox": it.email, "id": it.id, "reason": it.reason} for it in self.damaged],
        }
