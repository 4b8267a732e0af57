"""`gbm export`, from the command line: its exit code is 0 only when everything is there."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from cluster.stores import Stores
from storage.model.records import DELETED
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Mail, Shard


def test_a_mailbox_is_exported_as_it_is_and_as_it_was(stores: Stores, shard: Shard, tmp_path: Path) -> None:
    then = datetime.now(UTC).isoformat()
    shard.change(stores.control.user(ANN).user_id, (2, DELETED, True))

    now = gbm("export", ANN, "--format", "mbox", "--out", str(tmp_path / "now"), "--json")
    earlier = gbm("export", ANN, "--format", "eml", "--out", str(tmp_path / "then"), "--as-of", then)
    everybody = gbm("export", "--all", "--format", "parquet", "--out", str(tmp_path / "all"))

    assert [result.exit_code for result in (now, earlier, everybody)] == [0, 0, 0], everybody.output
    assert orjson.loads(now.stdout) == {"messages": 1, "size_bytes": len(Mail(1).raw), "damaged": []}
    assert sorted(path.name for path in (tmp_path / "then").rglob("*.eml")) == ["1.eml", "2.eml"]
    assert "1 messages" in everybody.stderr


def test_a_damaged_message_is_told_and_the_exit_code_is_not_0(shard: Shard, tmp_path: Path) -> None:
    [file] = shard.root.rglob("*.raw.zst")
    file.write_bytes(bytes(file.stat().st_size))

    result = gbm("export", ANN, "--format", "eml", "--out", str(tmp_path / "out"), "--json")

    assert result.exit_code == 1
    assert [damage["id"] for damage in orjson.loads(result.stdout)["damaged"]] == ["2", "1"]
    assert "message 2 is skipped" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "mbox", "--out", "x"], "name one mailbox"),
        (["--all", ANN, "--format", "parquet", "--out", "x"], "name one mailbox"),
        (["--all", "--format", "mbox", "--out", "x"], "holds one mailbox"),
        ([ANN, "--format", "mbox", "--out", "/"], "not an export of this program"),
        ([ANN, "--format", "mbox", "--out", "x", "--as-of", "soon"], "is not a time"),
        (["nobody@example.com", "--format", "mbox", "--out", "x"], "not backed up here"),
    ],
)
@pytest.mark.usefixtures("shard")
def test_what_cannot_be_exported_is_one_sentence(arguments: list[str], sentence: str) -> None:
    result = gbm("export", *arguments)

    assert result.exit_code == 1
    assert sentence in result.stderr
