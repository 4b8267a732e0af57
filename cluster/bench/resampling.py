"""Mail for an archive of any size: real or generated messages, resampled for many users.

A copy keeps the bytes of its message and, within a run, its neighbours, as threads and lists have them in a mailbox.
Its id, date and labels are generated, so every copy is a distinct message. The text repeats: a word index has fewer
distinct words than the same amount of real mail.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from random import Random

import pyarrow as pa

from cluster.simulator.generator import generate
from cluster.simulator.snippet import snippet
from jobs.importing.mail_files import read_mail
from storage.model.schemas import FETCHED

#: Messages of one user in a segment: shards alternate between mailboxes, so a segment has several users.
_RUN = 500
_FIRST_AT = datetime(2016, 1, 1, tzinfo=UTC)
_SPAN_S = 10 * 365 * 86_400
#: Odd: multiplication by it modulo a power of two is a permutation.
_SCATTER = 0x9E37_79B9_7F4A_7C15
_IDS = 1 << 62
#: Share of messages that carry a label.
_LABELS = (
    *(("INBOX", 0.4), ("UNREAD", 0.2), ("SENT", 0.15), ("CATEGORY_PROMOTIONS", 0.3), ("IMPORTANT", 0.2)),
    *(("STARRED", 0.02), ("Label_1", 0.05), ("Label_2", 0.02), ("SPAM", 0.02), ("TRASH", 0.02)),
)


@dataclass(frozen=True, slots=True)
class Share:
    """Consecutive messages of one user: numbers `first` to `first + count - 1` of `size` in total."""

    user_id: int
    first: int
    count: int
    size: int


@dataclass(frozen=True)
class Corpus:
    """The messages to resample."""

    messages: tuple[bytes, ...]

    @classmethod
    def read(cls, paths: Sequence[Path], generated: int) -> "Corpus":
        """Read all mail at these paths, or generate `generated` messages if there are no paths.

        Raises:
            MailNotFound, MailUnreadable, MailTooLarge.
        """
        if paths:
            return cls(tuple(mail.raw for path in paths for mail in read_mail(path)))
        return cls(tuple(mail.raw for mail in generate(generated, 1, False)))

    @cached_property
    def _snippets(self) -> tuple[str, ...]:
        return tuple(map(snippet, self.messages))

    def deal(self, shares: Sequence[Share], seed: int) -> pa.Table:
        """Return a table of schemas.FETCHED for these shares. Deterministic for a seed."""
        chance = Random(seed)  # noqa: S311 - not for secrets
        rows = [(share, number) for share in shares for number in range(share.first, share.first + share.count)]
        chosen = [
            index % len(self.messages)
            for share, start in ((share, chance.randrange(len(self.messages))) for share in shares)
            for index in range(start, start + share.count)
        ]
        ids = [message_id(share.user_id, number) for share, number in rows]
        columns = {
            "user_id": [share.user_id for share, _ in rows],
            "message_id": ids,
            "thread_id": ids,
            "history_id": [number + 1 for _, number in rows],
            "received_at": [_received_at(share, number, chance) for share, number in rows],
            "labels": [[label for label, part in _LABELS if chance.random() < part] for _ in rows],
            "snippet": [self._snippets[index] for index in chosen],
            "raw": [self.messages[index] for index in chosen],
        }
        return pa.table([pa.array(columns[field.name], field.type) for field in FETCHED], schema=FETCHED)


def message_id(user_id: int, number: int) -> int:
    """The id of a user's message: unique per number, in no particular order."""
    return (number * _SCATTER + user_id) % _IDS


def _received_at(share: Share, number: int, chance: Random) -> datetime:
    part = (number + chance.random()) / max(share.size, 1)
    return _FIRST_AT + timedelta(seconds=int(part * _SPAN_S))


def sizes(messages: int, users: int, largest: int) -> list[int]:
    """Messages per user: `largest` for the first, at most half of all; the rest is divided evenly."""
    first = min(largest, messages // 2) if users > 1 else messages
    rest, others = messages - first, users - 1
    return [first, *(rest // others + (number < rest % others) for number in range(others))]


def segments(wanted: Sequence[tuple[int, int]], messages: int) -> Iterator[list[Share]]:
    """The content of each segment of a shard: runs of several users, until all messages are assigned.

    Args:
        wanted: (user, messages).
        messages: messages per segment.
    """
    left = [
        (user_id, first, min(_RUN, size - first), size) for user_id, size in wanted for first in range(0, size, _RUN)
    ]
    left.sort(key=lambda run: run[1] / run[3])  # keep users at equal progress
    full = max(messages // _RUN, 1)
    for at in range(0, len(left), full):
        yield [Share(*run) for run in left[at : at + full]]


def total(shares: Sequence[Share]) -> int:
    """The number of messages in these shares."""
    return [0, *accumulate(share.count for share in shares)][-1]
