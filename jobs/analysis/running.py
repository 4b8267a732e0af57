"""The analysis of messages as a stage of a pipeline: the analysers that are configured, over what the parser read."""

from collections.abc import Callable, Sequence
from functools import cache

import pyarrow as pa

from jobs.analysis import columns, registry
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.mail import Mail
from jobs.mime.message import ParsedMessage


@cache
def analysing(config: AnalysisConfig) -> Callable[[Sequence[ParsedMessage], Sequence[bytes]], pa.Table] | None:
    """What analyses messages, given their exact bytes, too; None when nothing is to be analysed.

    Raises:
        UnknownAnalyser: one that is not to run does not exist.
    """
    registry.require_known(config.without)
    analysers = [each for each in registry.builtin() if each.name not in config.without]
    if not config.enabled or not analysers:
        return None

    def analyse(messages: Sequence[ParsedMessage], _raws: Sequence[bytes]) -> pa.Table:
        return columns.analyse([Mail(message) for message in messages], analysers)

    return analyse
