"""Which analysers there are: ours, and those that an operator's packages add as entry points of `gbm.analysers`."""

import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from jobs.analysis.analyser import Analyser
from jobs.analysis.attachmentkinds import AttachmentKinds
from jobs.analysis.authenticity import Authenticity
from jobs.analysis.automatic import Automatic
from jobs.analysis.category import Category
from jobs.analysis.keywords import Keywords
from jobs.analysis.language import Language
from jobs.analysis.mailinglist import MailingList
from jobs.analysis.personaldata import PersonalData
from jobs.analysis.priority import Priority
from jobs.analysis.receipts import Receipts
from jobs.analysis.sentiment import Sentiment
from jobs.analysis.summary import Summary
from storage.errors import BackupError

GROUP = "gbm.analysers"
_NAME = re.compile(r"[a-z][a-z_]{0,30}")


class AnalyserRefused(BackupError):
    """A package adds an analyser that cannot be used. Correct or remove the package."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"The analyser {self.name!r} of an installed package cannot be used: {self.reason}"


class UnknownAnalyser(BackupError):
    """No analyser has this name. `gbm analyze --help` and `gbm config show` tell which there are."""

    def __init__(self, name: str, known: str) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"There is no analyser {self.name!r}: there are {self.known}."


@cache
def builtin() -> tuple[Analyser, ...]:
    """Ours, in the order of their columns."""
    return (
        Language(),
        Category(),
        Automatic(),
        MailingList(),
        Priority(),
        Sentiment(),
        Keywords(),
        Summary(),
        PersonalData(),
        Receipts(),
        AttachmentKinds(),
        Authenticity(),
    )


@cache
def added() -> tuple[EntryPoint, ...]:
    """The entry points of installed packages, by name. Not loaded: a plug-in runs in a process of its own.

    Raises:
        AnalyserRefused: a name is no column's, or taken.
    """
    taken = {analyser.name for analyser in builtin()}
    found = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    for point in found:
        if not _NAME.fullmatch(point.name):
            raise AnalyserRefused(point.name, "its name must be of a to z and _, at most 31 of them.")
        if point.name in taken:
            raise AnalyserRefused(point.name, "another one has the same name.")
        taken.add(point.name)
    return tuple(found)


def names() -> list[str]:
    """All analysers' names."""
    return [analyser.name for analyser in builtin()] + [point.name for point in added()]


def require_known(wanted: Sequence[str]) -> None:
    """Raise UnknownAnalyser for a name that no analyser has."""
    for name in wanted:
        if name not in names():
            raise UnknownAnalyser(name, ", ".join(names()))
