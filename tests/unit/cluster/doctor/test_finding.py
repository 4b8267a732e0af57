"""cluster/doctor/finding.py: a failed check is a finding, and the next check still runs."""

from collections.abc import Iterator

from cluster.doctor.finding import Finding, Level, run, worst
from storage.errors import BackupError

FINE = Finding("third", Level.OK, "fine")


class _Unusable(BackupError):
    def __str__(self) -> str:
        return "The thing is unusable: repair the thing."


def _refused() -> list[Finding]:
    raise _Unusable


def _defective() -> Iterator[Finding]:
    yield Finding("second", Level.WARNING, "seen before the defect")
    raise KeyError("missing\nline")


def test_a_check_that_raises_is_an_error_of_its_name_and_the_others_still_run() -> None:
    found = list(run([("first", _refused), ("second", _defective), ("third", lambda: [FINE])]))

    assert found == [
        Finding("first", Level.ERROR, "The thing is unusable: repair the thing."),
        Finding("second", Level.WARNING, "seen before the defect"),
        Finding("second", Level.ERROR, "The check failed: KeyError: 'missing\\nline'", "report this defect"),
        FINE,
    ]


def test_the_worst_level_decides() -> None:
    warning, error = Finding("a", Level.WARNING, "a"), Finding("b", Level.ERROR, "b")
    assert [worst([]), worst([FINE]), worst([FINE, warning]), worst([error, warning])] == [
        Level.OK,
        Level.OK,
        Level.WARNING,
        Level.ERROR,
    ]
