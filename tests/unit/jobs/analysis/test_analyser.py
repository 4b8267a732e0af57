"""What an analyser may be."""

import pickle

import pyarrow as pa
import pytest

from jobs.analysis.analyser import AnalyserRefused, AnalysisFailed, check
from jobs.analysis.registry import BUILT_IN

FIELDS = (("found", pa.bool_()),)


@pytest.mark.parametrize(
    ("name", "version", "fields"),
    [
        ("Upper", 1, FIELDS),
        ("", 1, FIELDS),
        ("a" * 32, 1, FIELDS),
        ("message_id", 1, FIELDS),
        (7, 1, FIELDS),
        ("good", 0, FIELDS),
        ("good", True, FIELDS),
        ("good", 40_000, FIELDS),
        ("good", "1", FIELDS),
        ("good", 1, ()),
        ("good", 1, [("found", pa.bool_())]),
        ("good", 1, (("found", "bool"),)),
        ("good", 1, (("error", pa.string()),)),
        ("good", 1, FIELDS * 2),
        ("good", 1, (("a b", pa.string()),)),
    ],
)
def test_what_is_malformed_is_refused_by_name(name: object, version: object, fields: object) -> None:
    with pytest.raises(AnalyserRefused) as refused:
        check(name, version, fields)

    assert repr(str(name)) in str(refused.value)


def test_the_built_in_ones_are_well_formed_and_named_once() -> None:
    for analyser in BUILT_IN:
        check(analyser.name, analyser.version, analyser.fields)
    assert len({analyser.name for analyser in BUILT_IN}) == len(BUILT_IN)


def test_errors_cross_processes() -> None:
    for error in (AnalyserRefused("x", "y"), AnalysisFailed("raised")):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
