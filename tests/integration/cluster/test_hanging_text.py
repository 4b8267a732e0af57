"""A text that hangs what reads words hangs no command."""

from pathlib import Path

import orjson
import pytest

from cluster.stores import Stores
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Mail, Shard

PLANTED = Path(__file__).parents[2] / "hostile" / "planted_words"


@pytest.mark.parametrize("query", ["wanted", '"wanted" AROUND 5 "words"'])
def test_a_text_that_hangs_the_words_costs_a_search_that_text_only(
    stores: Stores, shard: Shard, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """The fault is planted in the child that reads texts, not in this process, which indexed the mail."""
    user = stores.control.user(ANN)
    shard.store(user.user_id, Mail(8, text="wanted words"), Mail(9, text="wanted words plantedhang\u0301"))
    monkeypatch.syspath_prepend(str(PLANTED))
    monkeypatch.setenv("GBM_SERVE__READING__MESSAGE_S", "0.5")

    result = gbm("search", ANN, query, "--highlights", "--json")

    assert result.exit_code == 0, result.stderr
    found = {item["id"]: item["highlights"] for item in orjson.loads(result.stdout)["items"]}
    assert found["8"] and not found.get("9")
