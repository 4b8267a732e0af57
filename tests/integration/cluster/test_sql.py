"""`gbm sql`, run as a person runs it."""

import orjson
import pytest

from cluster.stores import Stores
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Shard

pytestmark = pytest.mark.usefixtures("shard")
SQL = "SELECT id, subject FROM messages ORDER BY id"


def test_a_mailbox_is_asked(stores: Stores, shard: Shard) -> None:
    told = gbm("sql", ANN, SQL)
    assert told.exit_code == 0, told.output
    assert [line.split() for line in told.stdout.splitlines()] == [["id", "subject"], ["1", "Hello"], ["2", "Second"]]
    assert orjson.loads(gbm("sql", ANN, SQL, "--json").stdout) == {
        "items": [{"id": "1", "subject": "Hello"}, {"id": "2", "subject": "Second"}],
        "truncated": False,
    }
    assert gbm("sql", ANN, SQL, "--csv").stdout.splitlines() == ["id,subject", "1,Hello", "2,Second"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM '/etc/passwd'", "Not allowed here: the table /etc/passwd"),
        ("SELEC", "DuckDB does not understand the query"),
    ],
)
def test_what_is_not_answered_is_said(sql: str, said: str) -> None:
    told = gbm("sql", ANN, sql)
    assert told.exit_code == 1
    assert said in " ".join(told.stderr.split())
