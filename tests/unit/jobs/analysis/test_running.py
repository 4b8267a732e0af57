"""The configured analysers, as the pipeline asks them."""

import pickle

import pytest

from jobs.analysis.config import AnalysisConfig
from jobs.analysis.registry import BUILT_IN
from jobs.analysis.running import UnknownAnalyser, configured, require_known
from jobs.mime.parser import parse

NAMES = [analyser.name for analyser in BUILT_IN]


def test_all_are_asked_of_new_mail_but_those_that_are_disabled() -> None:
    config = AnalysisConfig(disabled=frozenset({"summary", "sentiment"}), plugins=False)
    analysers = pickle.loads(pickle.dumps(configured(config)))
    table = analysers.of_new_mail([parse(b"Subject: x\r\n\r\nHello there, how are you today?")])
    assert table.column_names == [name for name in NAMES if name not in config.disabled]
    assert table["language"][0].as_py()["code"] == "en"
    assert analysers.outdated({**analysers.versions, "language": 0}) == ["language"]


def test_mail_can_be_analysed_later() -> None:
    analysers = configured(AnalysisConfig(enabled=False, plugins=False))
    assert analysers is not None
    assert analysers.of_new_mail is None
    assert analysers.run([parse(b"")], ["keywords"]).column_names == ["keywords"]
    assert configured(AnalysisConfig(disabled=frozenset(NAMES), plugins=False)) is None


def test_an_unknown_analyser_name_is_refused() -> None:
    require_known(AnalysisConfig(disabled=frozenset(NAMES)))
    with pytest.raises(UnknownAnalyser, match="'sumary': choose from attachmentkinds"):
        require_known(AnalysisConfig(disabled=frozenset({"sumary"})))
