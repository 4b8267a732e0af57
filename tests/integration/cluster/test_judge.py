"""`gbm judge` records what an owner says of a message."""

import orjson
import pytest

from cluster.stores import Stores
from tests.integration.cluster.conftest import ANN, gbm


@pytest.mark.usefixtures("shard")
def test_a_word_is_recorded_and_withdrawn(stores: Stores) -> None:
    reader = stores.reader(stores.control.user(ANN))
    result = gbm("judge", ANN, "1", "--category", "work", "--not-spam", "--json")
    assert result.exit_code == 0, (result.stderr, result.exception)
    said = orjson.loads(result.stdout)
    assert (said["id"], said["category"], said["spam"], said["by"]) == ("1", "work", False, "command line")
    email = reader.email(1)
    assert email is not None
    assert email.judgement is not None
    assert email.judgement.category == "work"
    assert "Withdrawn" in gbm("judge", ANN, "1", "--withdraw").stderr
    email = reader.email(1)
    assert email is not None
    assert email.judgement is None


@pytest.mark.usefixtures("shard")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["1", "--category", "spam_like"], "--spam"),
        (["1", "--priority", "urgent"], "low, normal, high"),
        (["1"], "--withdraw alone"),
        (["1", "--withdraw", "--spam"], "--withdraw alone"),
        (["x1", "--spam"], "is no message id"),
        (["99", "--spam"], "has no message 99"),
    ],
)
def test_what_cannot_be_recorded_is_refused(words: list[str], reason: str) -> None:
    result = gbm("judge", ANN, *words)
    assert result.exit_code == 1
    assert reason in " ".join(result.stderr.split())
