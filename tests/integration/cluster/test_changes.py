"""`gbm changes` and `gbm search --as-of`: what a mailbox was, and what it gained and lost."""

import orjson
import pytest

from cluster.stores import Stores
from storage.model.records import DELETED
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Mail, Shard


@pytest.fixture
def then(stores: Stores, shard: Shard) -> str:
    """A moment after which one message was deleted, one starred and one stored."""
    user = stores.control.user(ANN)
    at = stores.reader(user).present().isoformat()
    shard.catalog.save_labels(user.user_id, [("Label_1", "Receipts", "user")])
    shard.change(user.user_id, (2, DELETED, True), (1, "Label_1", True), (1, "INBOX", False))
    shard.store(user.user_id, Mail(3, subject="Third"))
    return at


def test_what_changed_is_told(then: str) -> None:
    result = gbm("changes", ANN, "--since", then)

    assert result.exit_code == 0, result.stderr
    told = [line.split(maxsplit=2)[1:] for line in result.stdout.splitlines()]
    assert [(number, what.split("Ann")[0].split()) for number, what in told] == [
        ("3", ["added"]),
        ("2", ["deleted"]),
        ("1", ["+Receipts", "-INBOX"]),
    ]


def test_what_vanished_is_told_as_json_in_pages(then: str) -> None:
    vanished = orjson.loads(gbm("changes", ANN, "--since", then, "--vanished", "--json").stdout)
    assert [(item["id"], item["deleted"], item["subject"]) for item in vanished["items"]] == [("2", True, "Second")]

    first = orjson.loads(gbm("changes", ANN, "--since", then, "--limit", "2", "--json").stdout)
    until, cursor = first["until"], first["next_cursor"]
    rest = gbm("changes", ANN, "--since", then, "--until", until, "--cursor", cursor, "--json")
    assert [item["id"] for item in (*first["items"], *orjson.loads(rest.stdout)["items"])] == ["3", "2", "1"]
    assert "No changes" in gbm("changes", ANN, "--since", until, "--until", until).stderr


def test_a_search_finds_what_was_there(then: str) -> None:
    now = orjson.loads(gbm("search", ANN, "in:inbox", "--json").stdout)
    was = orjson.loads(gbm("search", ANN, "in:inbox", "--as-of", then, "--json").stdout)

    assert [[item["id"] for item in found["items"]] for found in (now, was)] == [["3"], ["2", "1"]]
    assert gbm("search", ANN, "x", "--as-of", "soon").exit_code == 1
