"""Labelled mail for training and evaluation: the SpamAssassin corpus, with ham and spam in the file names."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

from jobs.analysis.domains import registered
from jobs.analysis.mail import Mail
from jobs.analysis.relations import FREE
from jobs.mime.message import ParsedMessage
from jobs.mime.parser import parse

#: Period in which the corpus was collected: dates outside are wrong.
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2003, 6, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled message.

    senders: identities of the sender: address, list, and domain unless it is a free-mail domain.
    at: the Date header; None: missing or outside the period.
    """

    name: str
    mail: Mail
    spam: bool
    senders: frozenset[str]
    at: datetime | None

    @property
    def first_sender(self) -> str:
        """One of the senders, deterministic."""
        return min(self.senders, default="")


def read(archive: Path) -> list[Example]:
    """The messages of a .tar.gz of .eml files, in the order of their names.

    Raises:
        OSError, tarfile.TarError: the archive cannot be read.
    """
    return sorted(_read(archive), key=lambda example: example.name)


def _read(archive: Path) -> Iterator[Example]:
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() and member.name.endswith(".eml") else None
            if file is None:
                continue
            message = parse(file.read())
            name = Path(member.name).name
            at = message.date if message.date and _FIRST <= message.date < _LAST else None
            yield Example(name, Mail(message), name.startswith("spam"), _senders(message), at)


def _senders(message: ParsedMessage) -> frozenset[str]:
    domain = registered(message.from_address.rpartition("@")[2])
    identities = (message.from_address, message.list_id, "" if domain in FREE else domain)
    return frozenset(identity for identity in identities if identity)


def by_time(examples: Sequence[Example], share: float = 0.7) -> tuple[list[Example], list[Example]]:
    """Split by time into (training, evaluation): mail before a time, and mail at that time or later.

    The time is chosen so that `share` of the mail precedes it. Mail without a valid date is left out.
    """
    dated = sorted(
        ((example.at, example.name, example) for example in examples if example.at is not None), key=lambda row: row[:2]
    )
    start = dated[int(len(dated) * share)][0]
    return [example for at, _, example in dated if at < start], [example for at, _, example in dated if at >= start]


def by_sender(examples: Sequence[Example], share: float = 0.7) -> tuple[list[Example], list[Example]]:
    """Split so that no address, list or domain (except free-mail domains) is in both parts.

    Mail whose senders are in both parts is left out.
    """
    training = [example for example in examples if crc32(example.first_sender.encode()) % 1000 < share * 1000]
    known = frozenset().union(*(example.senders for example in training))
    others = [example for example in examples if crc32(example.first_sender.encode()) % 1000 >= share * 1000]
    return training, [example for example in others if known.isdisjoint(example.senders)]
