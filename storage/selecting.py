"""What a question about a mailbox is about: all of it, or what a search, a time range and a moment leave of it.

An empty search leaves everything, Spam, Trash and mail that Gmail has no longer included; any other leaves Spam and
Trash out as lists do. A selection that the message index alone decides stays a condition; one that asks content
becomes the ids of its messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from storage.emails import Position
from storage.finding import Finder
from storage.language.conditions import Condition, Negated, Since, all_of
from storage.language.plan import EARLIEST, LATEST, plan

#: Messages that a content search decides at a time.
_BATCH = 5000
_INDEX = "m.labels @> CAST(:with_labels AS text[]) AND NOT m.labels && CAST(:without_labels AS text[]) AND {condition}"
_IDS = "m.message_id = ANY(CAST(:message_ids AS bigint[]))"


@dataclass(frozen=True, slots=True)
class Selection:
    """Messages received from one moment up to before another that match a search, as the mailbox was at `as_of`."""

    text: str = ""
    first_at: datetime = EARLIEST
    last_at: datetime = LATEST
    as_of: datetime | None = None

    @property
    def now(self) -> datetime:
        """What the ages in the search count from."""
        return self.as_of or datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A selection, resolved.

    condition, values: SQL over the message index (`m`), and what it has bound, beside user, range and moment.
    whole: it is all that was stored in the range, so that Parquet files can be read as they are.
    """

    first_at: datetime
    last_at: datetime
    as_of: datetime | None
    condition: str = "TRUE"
    values: Mapping[str, object] = field(default_factory=dict)
    whole: bool = False


def everything(selection: Selection) -> Chosen:
    """The selection of an empty search."""
    return Chosen(selection.first_at, selection.last_at, selection.as_of, whole=selection.as_of is None)


def choose(selection: Selection, meaning: Condition, finder: Finder) -> Chosen:
    """The selection of any other.

    Args:
        meaning: what the search means.
        finder: of the mailbox at the selection's moment.

    Raises:
        FileDamaged, DatabaseUnreachable.
    """
    found = plan(all_of((meaning, Since(selection.first_at), Negated(Since(selection.last_at)))))
    if not found.asks_content:
        values = {
            **found.index_values,
            "with_labels": list(found.with_labels),
            "without_labels": list(found.without_labels),
        }
        condition = _INDEX.replace("{condition}", found.index)
        return Chosen(found.after_at, found.before_at, selection.as_of, condition, values)
    ids: list[int] = []
    start = Position(LATEST, (1 << 63) - 1)
    while rows := finder.find(found, start, _BATCH, with_deleted=True):
        ids += (row["message_id"] for row in rows)
        start = Position(rows[-1]["received_at"], rows[-1]["message_id"])
    return Chosen(found.after_at, found.before_at, selection.as_of, _IDS, {"message_ids": ids})
