"""Messages as Parquet has them, their splits, and the truth to hold these to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from storage.fulltext import builder, container
from storage.fulltext.split import Split, SplitQuery
from storage.model.results import PageCursor
from storage.model.schemas import MESSAGES
from storage.model.time_range import EARLIEST, LATEST
from storage.query.conditions import ALWAYS, Condition
from storage.query.evaluate import Content, Message, holds

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
TOP = PageCursor(LATEST, (1 << 63) - 1)


@dataclass(frozen=True)
class Made:
    """A message; what a test does not care about fills itself in."""

    message_id: int
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    user_id: int = 1
    minutes: int = 0

    @property
    def received_at(self) -> datetime:
        return NOON + timedelta(minutes=self.minutes)

    def holds(self, condition: Condition) -> bool:
        """The truth."""
        return holds(condition, Message(Content(self.fields), frozenset(), self.received_at, 1))


def table(messages: Sequence[Made]) -> pa.Table:
    """Their rows of schemas.MESSAGES, as far as an index reads them."""
    rows = [
        {
            "user_id": made.user_id,
            "message_id": made.message_id,
            "received_at": made.received_at,
            **{name: "".join(made.fields.get(name, ())) for name in ("subject", "text", "from")},
            **{name: list(made.fields.get(name, ())) for name in ("to", "cc", "bcc")},
            "snippet": f"snippet {made.message_id}",
            "defects": [],
            "list_id": "".join(made.fields.get("list", ())),
            "attachments": [{"filename": name} for name in made.fields.get("filename", ())],
            "headers": [
                {"name": "Subject", "value": "no delivered to"},
                *({"name": "DELIVERED-To", "value": value} for value in made.fields.get("deliveredto", ())),
            ],
        }
        for made in messages
    ]
    names = {name for row in rows for name in row} or {field.name for field in MESSAGES}
    return pa.Table.from_pylist(rows, schema=pa.schema([field for field in MESSAGES if field.name in names]))


def split(messages: Sequence[Made]) -> bytes:
    """The file of their split."""
    return b"".join(builder.build(table(messages)))


def reading(data: bytes) -> tuple[int, container.Read]:
    """A file in memory, as the archive gives it."""
    return len(data), lambda offset, size_bytes: data[offset : offset + size_bytes]


@contextmanager
def opened(data: bytes) -> Iterator[Split]:
    """A split, to ask; its folder is gone already, as another process may take it away."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        container.unpack("a.split", *reading(data), Path(folder))
        found = Split("a.split", Path(folder))
    yield found


def asked(
    words: Condition = ALWAYS, user_id: int = 1, start: PageCursor = TOP, after_at: datetime = EARLIEST
) -> SplitQuery:
    return SplitQuery(user_id, words, start, after_at)


def newest(split: Split, words: Condition, user_id: int = 1, limit: int = 100) -> list[int]:
    """The ids of what is found."""
    return [hit.message_id for hit in split.newest(asked(words, user_id), limit)]
