"""A command that cannot work says in one sentence what is wrong and what to do, with exit code 1 and no traceback.

`tests/e2e/test_errors.py` starts real processes for a few of these.
"""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.main import whole_program


def refused(*arguments: str) -> str:
    """The error of a command, without its line breaks."""
    done = CliRunner().invoke(whole_program(), list(arguments))
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.stderr
    _, marker, sentence = done.stderr.rpartition("gbm: ")
    assert marker, done.stderr
    return " ".join(sentence.split())


def test_an_unreachable_postgres_is_named_without_its_password(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GBM_POSTGRES__CONTROL_DSN", "postgresql://gbm:hunter2@127.0.0.1:1/gbm")

    done = CliRunner().invoke(whole_program(), ["accounts", "list"])

    assert done.exit_code == 1
    assert "127.0.0.1:1" in done.stderr and "GBM_POSTGRES__CONTROL_DSN" in done.stderr
    assert "hunter2" not in done.output


def test_a_key_that_others_can_read_is_refused(installation: Path) -> None:
    assert CliRunner().invoke(whole_program(), ["accounts", "list"]).exit_code == 0
    (installation / "sealing.key").chmod(0o644)

    assert "chmod 600" in refused("accounts", "list")


def test_a_key_that_is_lost_after_something_was_sealed_is_missed(installation: Path, tmp_path: Path) -> None:
    grant = tmp_path / "grant.json"
    grant.write_text('{"client_id": "a", "client_secret": "b", "refresh_token": "c"}')
    added = CliRunner().invoke(whole_program(), ["accounts", "add", "ada@example.com", "--authorized-user", str(grant)])
    assert added.exit_code == 0, added.output
    (installation / "sealing.key").unlink()

    assert "sealing.key" in refused("accounts", "list")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("GBM_SERVE__PORT", "ninety"),
        ("GBM_SHARDS__COUNT", "0"),
        ("GBM_GMAIL__QUOTA_PROFILE", "generous"),
        ("GBM_SEALING__KEY", "too-short"),
        ("GBM_ARCHIVE__URI", "ftp://somewhere"),
        ("GBM_CONFIG", "/nowhere.yaml"),
    ],
)
def test_a_wrong_setting_is_named(
    installation: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    monkeypatch.setenv(setting, value)

    done = CliRunner().invoke(whole_program(), ["search", "ada@example.com", "x"])

    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert setting.removeprefix("GBM_").split("__")[0].lower() in done.stderr.lower()


def test_commands_that_need_a_cluster_say_how_to_start_one(installation: Path) -> None:
    assert "gbm up" in refused("backfill", "--all")


def test_an_authorized_user_file_of_another_kind_is_explained(installation: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "client.json"
    wrong.write_text('{"installed": {"client_id": "x"}}')

    assert "OAuth client" in refused("accounts", "add", "ada@example.com", "--authorized-user", str(wrong))
