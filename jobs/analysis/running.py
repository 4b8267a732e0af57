"""Runs the configured analysers for the pipeline: when mail is stored, and when it is analysed again."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

import pyarrow as pa

from jobs.analysis import columns
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.mail import Mail
from jobs.analysis.pluginchild import GROUP
from jobs.analysis.registry import BUILT_IN, roster
from jobs.mime.message import ParsedMessage
from jobs.reanalysis import Analysers
from storage.errors import BackupError

#: Analysers that need the leading bytes of attachments, which no column contains.
_EXACT = frozenset({"attachmentkinds"})


class UnknownAnalyser(BackupError):
    """A disabled analyser does not exist. Correct GBM_ANALYSIS__DISABLED."""

    def __init__(self, name: str, known: str) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"GBM_ANALYSIS__DISABLED names the unknown analyser {self.name!r}: choose from {self.known}."


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs analysers by name. Pickled as its configuration; opens its resources in the task's process."""

    config: AnalysisConfig

    def __call__(self, messages: Sequence[ParsedMessage], names: Sequence[str]) -> pa.Table:
        """A struct per named analyser; the rows match the messages."""
        chosen = [analyser for analyser in roster(self.config).analysers if analyser.name in names]
        return columns.analyse([Mail(message) for message in messages], chosen)


def require_known(config: AnalysisConfig) -> None:
    """Raise UnknownAnalyser if a disabled analyser does not exist. Loads no plug-in."""
    known = {analyser.name for analyser in BUILT_IN} | {point.name for point in entry_points(group=GROUP)}
    if unknown := sorted(config.disabled - known):
        raise UnknownAnalyser(unknown[0], ", ".join(sorted(known)))


def configured(config: AnalysisConfig) -> Analysers | None:
    """The analysers to run; None: analysis is disabled."""
    versions = {analyser.name: analyser.version for analyser in roster(config).analysers}
    return Analysers(versions, Runner(config), _EXACT, config.enabled) if versions else None
