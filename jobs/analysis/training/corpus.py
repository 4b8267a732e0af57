"""Labelled mail to learn from and to be measured with: the SpamAssassin corpus, ham and spam in the file names."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

from jobs.analysis.authenticity import registered
from jobs.analysis.mail import Mail
from jobs.mime.parser import parse

_OLD = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Example:
    """A message with its label. group: of who sent it, by list or domain; at: when, by its Date header."""

    name: str
    mail: Mail
    spam: bool
    group: str
    at: datetime


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
            sender = registered(message.from_address.rpartition("@")[2])
            yield Example(name, Mail(message), name.startswith("spam"), message.list_id or sender, message.date or _OLD)


def by_time(examples: Sequence[Example], share: float = 0.7) -> tuple[list[Example], list[Example]]:
    """(to learn from, to be measured with): the older ones of each label, and the newer ones."""
    learnt, measured = [], []
    for spam in (False, True):
        dated = sorted((each for each in examples if each.spam is spam), key=lambda each: (each.at, each.name))
        cut = int(len(dated) * share)
        learnt += dated[:cut]
        measured += dated[cut:]
    return learnt, measured


def by_sender(examples: Sequence[Example], share: float = 0.7) -> tuple[list[Example], list[Example]]:
    """The same so that no list and no domain is in both."""
    learnt = [each for each in examples if crc32(each.group.encode()) % 1000 < share * 1000]
    measured = [each for each in examples if crc32(each.group.encode()) % 1000 >= share * 1000]
    return learnt, measured
