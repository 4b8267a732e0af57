"""What a person gets wrong is answered by one sentence that says what to do, a non-zero exit code, no traceback.

Real processes; `tests/integration/cluster/test_user_errors.py` has the other mistakes.
"""

import socket
from pathlib import Path

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


def test_a_wrong_setting_is_named(home: Path) -> None:
    done = gbm("search", "ada@example.com", "x", env=environment(home, GBM_SERVE__PORT="ninety"))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "serve" in done.stderr.lower()
