"""An event as it is stored, its id, and its CloudEvents 1.0 form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from storage.errors import BackupError
from storage.events.publishing import CONTROL
from storage.events.registry import REGISTRY

_ID = re.compile(r"(control|[0-9]{1,9})-([0-9]{1,18})")


class InvalidEventId(BackupError):
    """The text is not an event id or cursor of this feed. Use an id or `next_cursor` of an earlier response."""

    def __init__(self, given: str) -> None:
        super().__init__(given)
        self.given = given

    def __str__(self) -> str:
        return f"{self.given[:100]!r} is not an event id of this feed: use an `id` or the `next_cursor` of a response."


class EventsExpired(BackupError):
    """Events after this position were deleted. Read the mailbox's state again, then follow events from now on."""

    def __init__(self, position: int, days: int) -> None:
        super().__init__(position, days)
        self.position, self.days = position, days

    def __str__(self) -> str:
        return (
            f"Events are kept for {self.days} days, and some after this position were deleted: "
            "read the current state, then follow events without `after`."
        )


def position_of(time: datetime) -> int:
    """The position before every event published at this time or later: microseconds since 1970, less one."""
    return int(time.astimezone(UTC).timestamp() * 1_000_000) - 1


def event_id(shard_id: int, position: int) -> str:
    """The id of an event; also the cursor after it."""
    return f"{'control' if shard_id == CONTROL else shard_id}-{position}"


def parse_id(text: str) -> tuple[int, int]:
    """Shard and position of an event id.

    Raises:
        InvalidEventId.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise InvalidEventId(text)
    return (CONTROL if match[1] == "control" else int(match[1])), int(match[2])


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event. position: grows in commit order within its shard. at: when its transaction began."""

    shard_id: int
    position: int
    user_id: int | None
    type: str
    version: int
    data: dict[str, Any]
    at: datetime

    @property
    def id(self) -> str:
        """Unique in the cluster."""
        return event_id(self.shard_id, self.position)

    def cloud_event(self, fleet: bool = False) -> dict[str, Any]:
        """The event in CloudEvents' JSON format.

        Args:
            fleet: for operators: without the fields that only the mailbox's owner sees.
        """
        model = REGISTRY.get(self.type, self.version)
        data: Mapping[str, Any] = self.data
        if fleet:
            hidden = model.private if model else frozenset(self.data)
            data = {name: value for name, value in self.data.items() if name not in hidden}
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": "/control" if self.shard_id == CONTROL else f"/shards/{self.shard_id}",
            "type": self.type,
            "time": self.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "subject": None if self.user_id is None else f"users/{self.user_id}",
            "datacontenttype": "application/json",
            "dataschema": f"urn:gmail-backup-manager:event:{self.type}:{self.version}",
            "data": dict(data),
        }
