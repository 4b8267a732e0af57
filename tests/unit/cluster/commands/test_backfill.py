"""How `gbm backfill --wait` ends."""

import orjson
import pytest
import typer

from cluster.backfill import BackfillResult
from cluster.commands.backfill import MESSAGES_MISSING, _tell


def result(missing: int) -> BackfillResult:
    return BackfillResult(1, "job", 2.0, 1.0, 40, 4000, 200, 40, 4000, missing)


def test_a_backfill_that_lacks_messages_says_so_and_ends_with_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        _tell(result(7), json=False)

    assert ended.value.exit_code == MESSAGES_MISSING == 3
    assert "complete but for 7: see `gbm failures`" in " ".join(capsys.readouterr().err.split())


def test_the_json_of_a_backfill_counts_what_it_lacks(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(typer.Exit):
        _tell(result(7), json=True)

    assert orjson.loads(capsysbinary.readouterr().out)["missing"] == 7


def test_a_backfill_that_lacks_nothing_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    _tell(result(0), json=False)

    assert "but for" not in capsys.readouterr().err
