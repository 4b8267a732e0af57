"""cluster/session.py: a job connects to the cluster of its home, and to nobody else who listens."""

import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import cluster
from cluster.home import Home
from cluster.session import RayUnavailable, connect_from_job, environment, token_path

_JOB = "import sys; from pathlib import Path; from cluster.home import Home; from cluster.session import "
_JOB += "connect_from_job; connect_from_job(Home(Path(sys.argv[1])))"


def _listening() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(60)
    return server


def _address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_job_connects_to_the_cluster_of_its_home_whatever_address_ray_gave_it(tmp_path: Path) -> None:
    """Ray gives a job (RAY_ADDRESS) the address of any cluster on the machine; whoever listens there gets a token."""
    home = Home(tmp_path)
    home.run.mkdir(parents=True)
    with closing(_listening()) as own, closing(_listening()) as other:
        (home.run / "ray.address").write_text(_address(own))
        env = {**os.environ, "RAY_ADDRESS": _address(other)}
        job = subprocess.Popen([sys.executable, "-c", _JOB, str(tmp_path)], env=env, stderr=subprocess.DEVNULL)
        try:
            connection, _ = own.accept()
            connection.close()
        finally:
            job.kill()
            job.wait()
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_job_without_a_cluster_connects_to_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment(Home(tmp_path)):
        monkeypatch.setenv(name, "")  # `connect_from_job` sets them: they end with the test
    home = Home(tmp_path)
    home.run.mkdir(parents=True)
    with closing(_listening()) as other:
        monkeypatch.setenv("RAY_ADDRESS", _address(other))
        with pytest.raises(RayUnavailable, match="no cluster runs on"):
            connect_from_job(home)
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_every_home_has_a_token_of_its_own(tmp_path: Path) -> None:
    homes = [Home(tmp_path / name) for name in ("one", "other")]

    assert token_path(homes[0]) != token_path(homes[1])
    for home in homes:
        assert environment(home)["RAY_AUTH_TOKEN_PATH"] == str(token_path(home))
        assert environment(home)["RAY_AUTH_MODE"] == "token"


def test_only_the_session_connects_to_ray() -> None:
    """A bare `ray.init()` elsewhere would look for a cluster, and find any."""
    root = Path(cluster.__file__).parents[1]
    modules = [path for package in ("cluster", "serve", "actors", "jobs") for path in (root / package).rglob("*.py")]

    calls = {str(path.relative_to(root)) for path in modules if re.search(r"\bray\.init\(", path.read_text())}

    assert calls == {"cluster/session.py"}
