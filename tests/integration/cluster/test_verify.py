"""`gbm verify`, from the command line: its exit code is 0 only when everything is what was stored."""

import shutil
from pathlib import Path

import orjson
import pytest

from cluster.stores import Stores
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Mail, Shard


def test_an_intact_mailbox_is_verified_n_of_n(shard: Shard, tmp_path: Path) -> None:
    result = gbm("verify", ANN, "--report", str(tmp_path / "report.json"))

    assert result.exit_code == 0, result.output
    assert f"{ANN}: 2 of 2 messages are intact." in result.stdout
    assert "3 files read" in result.stdout
    report = orjson.loads((tmp_path / "report.json").read_bytes())
    assert report["intact"] is True
    assert report["mailboxes"] == [{"email": ANN, "messages": 2, "intact": 2, "damaged": []}]
    assert report["mail_bytes"] == len(Mail(1).raw) + len(Mail(2, subject="Second").raw)
    assert shard.root.exists()


def test_damage_is_named_with_its_messages_and_repaired_from_a_copy(shard: Shard, tmp_path: Path) -> None:
    shutil.copytree(shard.root, tmp_path / "copy")
    [file] = shard.root.rglob("*.raw.zst")
    data = bytearray(file.read_bytes())
    data[30] ^= 1
    file.write_bytes(data)
    name = file.relative_to(shard.root).as_posix()

    result = gbm("verify", ANN)
    as_json = orjson.loads(gbm("verify", ANN, "--json").stdout)

    assert result.exit_code == 1
    assert f"DAMAGED {name}: it is not what was written" in result.stdout
    assert f"2 messages of {ANN}: 1 2" in result.stdout
    assert f"{ANN}: 0 of 2 messages are intact." in result.stdout
    assert [damage["file"] for damage in as_json["damaged"]] == [name]
    assert as_json["damaged"][0]["messages"] == {ANN: ["1", "2"]}

    mended = gbm("verify", ANN, "--from", (tmp_path / "copy").as_uri())

    assert mended.exit_code == 0, mended.output
    assert f"REPAIRED {name}" in mended.stdout
    assert f"{ANN}: 2 of 2 messages are intact." in mended.stdout


def test_parts_are_verified_alone(stores: Stores, shard: Shard) -> None:
    shard.store(stores.control.user(ANN).user_id, Mail(3))
    parts = [orjson.loads(gbm("verify", ANN, "--read-data-subset", f"{n}/2", "--json").stdout) for n in (1, 2)]

    assert [part["part"] for part in parts] == ["1/2", "2/2"]
    assert sum(part["files"] for part in parts) == 6
    assert sum(part["mailboxes"][0]["messages"] for part in parts) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name one mailbox"),
        ([ANN, "--all"], "name one mailbox"),
        ([ANN, "--read-data-subset", "3/2"], "not a part"),
        ([ANN, "--read-data-subset", "0/2"], "not a part"),
        (["nobody@example.com"], "not backed up here"),
        ([ANN, "--report", "/nowhere/report"], "cannot be written"),
        ([ANN, "--from", "s3://elsewhere"], "cannot be used"),
    ],
)
@pytest.mark.usefixtures("shard")
def test_what_cannot_be_verified_is_one_sentence(arguments: list[str], sentence: str) -> None:
    result = gbm("verify", *arguments)

    assert result.exit_code == 1
    assert sentence in result.stderr
