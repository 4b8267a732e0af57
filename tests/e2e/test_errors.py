"""What a person gets wrong is answered by one sentence that says what to do, a non-zero exit code, no traceback."""

import socket
from pathlib import Path

import pytest

from tests.e2e.processes import environment, gbm


def one_sentence(stderr: str) -> str:
    """The error, without its line breaks."""
    assert "Traceback" not in stderr
    _, marker, sentence = stderr.rpartition("gbm: ")
    assert marker, stderr
    return " ".join(sentence.split())


def test_a_wrong_mail_path_is_named(home: Path) -> None:
    done = gbm("demo", "--mail", "/nowhere/at/all.tar.gz", "--exit", env=environment(home))

    assert done.returncode != 0
    assert "/nowhere/at/all.tar.gz" in one_sentence(done.stderr)


def test_an_occupied_port_is_named_with_its_setting(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = gbm("demo", "--messages", "5", "--exit", env=environment(home, GBM_SERVE__PORT=str(port)))

    assert done.returncode != 0
    sentence = one_sentence(done.stderr)
    assert str(port) in sentence and "GBM_SERVE__PORT" in sentence


def test_an_unreachable_postgres_is_named_without_its_password(home: Path) -> None:
    env = environment(home, GBM_POSTGRES__CONTROL_DSN="postgresql://gbm:hunter2@127.0.0.1:1/gbm")

    done = gbm("accounts", "list", env=env)

    assert done.returncode == 1
    sentence = one_sentence(done.stderr)
    assert "127.0.0.1:1" in sentence and "GBM_POSTGRES__CONTROL_DSN" in sentence
    assert "hunter2" not in done.stderr + done.stdout


def test_a_key_that_others_can_read_is_refused(home: Path) -> None:
    env = environment(home)
    assert gbm("accounts", "list", env=env).returncode == 0
    (home / "sealing.key").chmod(0o644)

    done = gbm("accounts", "list", env=env)

    assert done.returncode == 1
    assert "chmod 600" in one_sentence(done.stderr)


def test_a_key_that_is_lost_after_something_was_sealed_is_missed(home: Path, tmp_path: Path) -> None:
    env = environment(home)
    grant = tmp_path / "grant.json"
    grant.write_text('{"client_id": "a", "client_secret": "b", "refresh_token": "c"}')
    added = gbm("accounts", "add", "ada@example.com", "--authorized-user", str(grant), env=env)
    assert added.returncode == 0, added.stderr
    (home / "sealing.key").unlink()

    done = gbm("accounts", "list", env=env)

    assert done.returncode == 1
    assert "sealing.key" in one_sentence(done.stderr)


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
def test_a_wrong_setting_is_named(home: Path, setting: str, value: str) -> None:
    done = gbm("search", "ada@example.com", "x", env=environment(home, **{setting: value}))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert setting.removeprefix("GBM_").split("__")[0].lower() in done.stderr.lower()


def test_commands_that_need_a_cluster_say_how_to_start_one(home: Path, tmp_path: Path) -> None:
    done = gbm("backfill", "--all", env=environment(home))

    assert done.returncode == 1
    assert "gbm up" in one_sentence(done.stderr)


def test_an_authorized_user_file_of_another_kind_is_explained(home: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "client.json"
    wrong.write_text('{"installed": {"client_id": "x"}}')

    done = gbm("accounts", "add", "ada@example.com", "--authorized-user", str(wrong), env=environment(home))

    assert done.returncode == 1
    assert "OAuth client" in one_sentence(done.stderr)
