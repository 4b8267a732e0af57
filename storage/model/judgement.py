"""The owner's word about a message: category, priority, spam or not. Kept as JSON in the log of events."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

#: Prefix of the label id of an event that records the owner's judgement of a message: JSON follows.
JUDGEMENT = "\\Judgement:"
#: As of the analysers (jobs/analysis), but for spam, which is a field of its own.
CATEGORIES = ("receipt", "travel", "social", "promotion", "newsletter", "notification", "personal", "work")
PRIORITIES = ("low", "normal", "high")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an owner said of a message; None: nothing. by: who said it. at: when.

    category: of CATEGORIES. priority: of PRIORITIES. spam: True: it is spam; False: it is not.
    """

    category: str | None = None
    priority: str | None = None
    spam: bool | None = None
    by: str = ""
    at: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether a former judgement is withdrawn, and nothing is said instead."""
        return self.category is None and self.priority is None and self.spam is None

    def says_as(self, other: "Judgement | None") -> bool:
        """Whether the other says the same, whoever and whenever."""
        mine = (self.category, self.priority, self.spam)
        return mine == ((other.category, other.priority, other.spam) if other else (None, None, None))

    def text(self, at: datetime) -> str:
        """The JSON of the event. at: makes the texts of all events of a message differ."""
        return orjson.dumps(asdict(self) | {"at": at}).decode()

    @classmethod
    def of(cls, text: str, at: datetime) -> "Judgement":
        """The judgement of an event; what a newer release knows beyond this one is left out."""
        said: dict[str, Any] = orjson.loads(text)
        category, priority, spam = said.get("category"), said.get("priority"), said.get("spam")
        return cls(
            category if category in CATEGORIES else None,
            priority if priority in PRIORITIES else None,
            spam if isinstance(spam, bool) else None,
            str(said.get("by", "")),
            at,
        )
