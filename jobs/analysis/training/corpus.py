"""Labelled mail to learn from and to be measured with: the SpamAssassin corpus, ham and spam in the file names."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

from jobs.analysis.authenticity import registered
from jobs.analysis.category import FREE
from jobs.analysis.mail import Mail
from jobs.mime.message import ParsedMessage
from jobs.mime.parser import parse

#: When the corpus was collected: other dates are wrong.
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2003, 6, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Example:
    """A message with its label.

    senders: what tells who sent it: address, list, and domain where that is not one of free mail.
    at: when, by its Date header; None: it has none that can be right.
    """

    name: str
    mail: Mail
    spam: bool
    senders: frozenset[str]
    at: datetime | None

    @property
    def first_sender(self) -> str:
        """One of them, always the same."""
        return min(self.senders, default="")


def read(archive: Path) -> list[Example]:
    """The messages of a .tar.gz of .eml files, in the order of their names.

    Raises:
        OSError, tarfile.TarError: it cannot be read.
    """
    return sorted(_read(archive), key=lambda each: each.name)


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
    told = (message.from_address, message.list_id, "" if domain in FREE else domain)
    return frozenset(each for each in told if each)


def by_time(examples: Sequence[Example], share: float = 0.7) -> tuple[list[Example], list[Example]]:
    """(to learn from, to be measured with): what came before one moment, and what came then or later.

    The moment is that before which a share of all came. Mail without a date that can be right is left out.
    """
    dated = sorted(((each.at, each.name, each) for each in examples if each.at is not None), key=lambda each: each[:2])
    moment = dated[int(len(dated) * share)][0]
    return [each for at, _, each in dated if at < moment], [each for at, _, each in dated if at >= moment]


def by_sender(examples: Sequence[Example], share: float = 0.7) -> tuple[list[Example], list[Example]]:
    """The same so that no address, no list and no domain (but of free mail) is in both.

    Mail whose senders are on both sides is left out.
    """
    learnt = [each for each in examples if crc32(each.first_sender.encode()) % 1000 < share * 1000]
    known = frozenset().union(*(each.senders for each in learnt))
    others = [each for each in examples if crc32(each.first_sender.encode()) % 1000 >= share * 1000]
    return learnt, [each for each in others if known.isdisjoint(each.senders)]
