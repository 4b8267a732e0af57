"""The analysers that are configured, as the pipeline asks them: when mail is stored, and again afterwards."""

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

#: They need the leading bytes of attachments, which no column holds.
_EXACT = frozenset({"attachmentkinds"})


class UnknownAnalyser(BackupError):
    """An analyser that is not to run does not exist. Correct GBM_ANALYSIS__DISABLED."""

    def __init__(self, name: str, known: str) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"GBM_ANALYSIS__DISABLED names the unknown analyser {self.name!r}: choose from {self.known}."


@dataclass(frozen=True, slots=True)
class Runner:
    """Asks analysers by name. Travels to a task's process as its configuration, and opens there what it needs."""

    config: AnalysisConfig

    def __call__(self, messages: Sequence[ParsedMessage], names: Sequence[str]) -> pa.Table:
        """A struct per named analyser, row by row the messages."""
        chosen = [each for each in roster(self.config).analysers if each.name in names]
        return columns.analyse([Mail(message) for message in messages], chosen)


def require_known(config: AnalysisConfig) -> None:
    """Raise UnknownAnalyser for one that is not to run and does not exist. Loads no plug-in."""
    known = {each.name for each in BUILT_IN} | {point.name for point in entry_points(group=GROUP)}
    if unknown := sorted(config.disabled - known):
        raise UnknownAnalyser(unknown[0], ", ".join(sorted(known)))


def configured(config: AnalysisConfig) -> Analysers | None:
    """Who is asked about messages; None where nobody is."""
    versions = {each.name: each.version for each in roster(config).analysers}
    return Analysers(versions, Runner(config), _EXACT, config.enabled) if versions else None
