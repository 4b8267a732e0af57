"""The available analysers: the built-in ones and the installed plug-ins (`plugins.py`)."""

import atexit
import logging
from functools import lru_cache
from typing import NamedTuple

from jobs.analysis import plugins
from jobs.analysis.analyser import Analyser, AnalyserRefused
from jobs.analysis.attachmentkinds import AttachmentKinds
from jobs.analysis.authenticity import Authenticity
from jobs.analysis.automatic import Automatic
from jobs.analysis.category import Category
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.keywords import Keywords
from jobs.analysis.language import Language
from jobs.analysis.mailinglist import MailingList
from jobs.analysis.personaldata import PersonalData
from jobs.analysis.priority import Priority
from jobs.analysis.receipts import Receipts
from jobs.analysis.sentiment import Sentiment
from jobs.analysis.summary import Summary

_LOG = logging.getLogger(__name__)

#: In the order of their columns.
BUILT_IN: tuple[Analyser, ...] = (
    Language(),
    Category(),
    Automatic(),
    MailingList(),
    Priority(),
    Sentiment(),
    Keywords(),
    Summary(),
    AttachmentKinds(),
    Authenticity(),
    PersonalData(),
    Receipts(),
)


class Roster(NamedTuple):
    """The analysers to run, and the refused plug-ins with the reasons."""

    analysers: tuple[Analyser, ...]
    refused: tuple[AnalyserRefused, ...]


@lru_cache(maxsize=4)
def roster(config: AnalysisConfig) -> Roster:
    """The analysers of this process; cached. Plug-ins run in one child, which ends with the process."""
    chosen = [analyser for analyser in BUILT_IN if analyser.name not in config.disabled]
    if not config.plugins:
        return Roster(tuple(chosen), ())
    host = plugins.Host(config)
    atexit.register(host.close)
    installed, refused = plugins.discover(host, {analyser.name for analyser in BUILT_IN})
    for error in refused:
        _LOG.error("%s", error)
    return Roster((*chosen, *installed), tuple(refused))
