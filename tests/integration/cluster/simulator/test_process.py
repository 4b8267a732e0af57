"""The simulator as a process of its own."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import urllib3

from cluster.simulator.config import SimulatorConfig
from cluster.simulator.population import populate

_COMMAND = [sys.executable, "-m", "cluster.simulator"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_ends_when_told(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    arguments = ["--generate", "5", "--users", "2", "--fault-rate", "0.5", "--faults", "500", "--faults", "429"]
    with subprocess.Popen([*_COMMAND, *arguments, "--ready-file", str(ready)], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert process.poll() is None and time.monotonic() < deadline
        announced = json.loads(ready.read_text())
        with urllib3.PoolManager() as http:
            users = http.request("GET", f"{announced['url']}/_sim/users").json()
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)

    assert announced["pid"] == process.pid and len(users) == 2
    assert (process.returncode, stderr) == (0, b"")


def test_a_wrong_path_is_one_sentence(tmp_path: Path) -> None:
    ended = _run("--mail", str(tmp_path / "nowhere"))

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1 and "There is no mail at" in ended.stderr


def test_an_occupied_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = _run("--generate", "1", "--port", str(taken.getsockname()[1]))

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1 and "choose another port" in ended.stderr


def test_a_wrong_option_is_one_sentence() -> None:
    ended = _run("--fault-rate", "7")

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1 and ended.stderr.startswith("--fault-rate is not usable")


def test_each_source_is_a_user_and_all_can_be_dealt(tmp_path: Path) -> None:
    for name in ("Sales Team", "support"):
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"{number}.eml").write_bytes(f"Subject: {name} {number}\r\n\r\n".encode())
    paths = (tmp_path / "Sales Team", tmp_path / "support")

    apart = populate(SimulatorConfig(mail=paths, generate=3))
    dealt = populate(SimulatorConfig(mail=paths, users=3, messages_per_user=5))

    sizes = {email: len(mailbox.messages) for email, mailbox in apart.items()}
    assert sizes == {"sales-team@example.com": 4, "support@example.com": 4, "generated@example.com": 3}
    assert [len(mailbox.messages) for mailbox in dealt.values()] == [5, 5, 5]
    assert sum(map(len, (m.messages for m in populate(SimulatorConfig(mail=paths, users=3)).values()))) == 8
