"""Keys, passwords and tokens of a running cluster are in none of Ray's files, states, logs and shared objects."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cluster.home import Home
from cluster.orphan_processes import MARK
from cluster.runtime_folder import RuntimeFolder
from storage.control.sealing import new_key
from tests.e2e.processes import demo, environment
from tests.e2e.test_demo import get

_STATES = ("actors", "tasks", "objects", "workers", "nodes", "runtime_envs", "placement_groups", "jobs")
_CHUNK = 16 << 20
CLIENT_SECRET = "planted-client-secret"
ACCESS_TOKEN = "ya29.sim-"


def _marked(home: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home):
                yield process
        except psutil.Error:
            continue


def _contained(path: Path, needles: Mapping[str, bytes]) -> set[str]:
    """The secrets that a file contains, which may be large and sparse."""
    overlap = max(map(len, needles.values()))
    tail, found = b"", set()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found |= {name for name, needle in needles.items() if needle in tail + chunk}
            tail = chunk[-overlap:]
    return found


def _places(home: Path) -> Iterator[Path]:
    """Ray's session with its logs, and the object store's memory, which only open descriptors name."""
    for path in RuntimeFolder(Home(home)).root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path
    seen = set()
    for process in _marked(home):
        for descriptor in Path(f"/proc/{process.pid}/fd").glob("*"):
            try:
                target = descriptor.readlink()
            except OSError:
                continue
            if "plasma" in target.name and "/dev/shm" in str(target) and target not in seen:
                seen.add(target)
                yield descriptor


def _needles(home: Path, key: str, summary: dict[str, Any]) -> dict[str, bytes]:
    """The secrets of the cluster, by name. Access tokens of the simulator all begin alike."""
    grant = get(f"{summary['gmail']}/_sim/users/{summary['mailboxes'][0]}/authorized-user")
    return {
        "sealing key": key.encode(),
        "bytes of the sealing key": base64.b64decode(key),
        "database password": (home / "postgres" / "password").read_bytes().strip(),
        "access token": ACCESS_TOKEN.encode(),
        "refresh token": grant["refresh_token"].encode(),
        "client secret": CLIENT_SECRET.encode(),
        "API key": summary["api_key"].encode(),
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads the object store through /proc")
def test_planted_secrets_are_found_nowhere(home: Path) -> None:
    key = new_key()
    env = environment(
        home, GBM_SEALING__KEY=key, GBM_SERVE__GOOGLE__CLIENT_SECRET=CLIENT_SECRET, GBM_SERVE__GOOGLE__CLIENT_ID="gbm"
    )
    with demo("--messages", "60", env=env, home=home) as running:
        summary = running.summary()
        assert summary["messages"] >= 60
        needles = _needles(home, key, summary)
        assert all(len(needle) >= 8 for needle in needles.values())
        assert sum(1 for _ in _marked(home)) > 3
        places = list(_places(home))
        assert any("plasma" in str(place.readlink()) for place in places if place.is_symlink())
        assert any(place.suffix in (".log", ".out", ".err") for place in places)
        found = {str(place): names for place in places if (names := _contained(place, needles))}
        assert found == {}

        token = (home / "run" / "ray.token").read_text().strip()
        dashboard = f"http://127.0.0.1:{env['GBM_RAY__DASHBOARD_PORT']}"
        with httpx.Client(base_url=dashboard, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            answers = {state: client.get(f"/api/v0/{state}?detail=true&limit=10000") for state in _STATES}
            answers["serve"] = client.get("/api/serve/applications/")
            answers["submitted"] = client.get("/api/jobs/")
        assert answers["actors"].status_code == answers["serve"].status_code == 200
        told = {
            (state, name)
            for state, answer in answers.items()
            for name, needle in needles.items()
            if needle in answer.content
        }
        assert told == set()
        assert running.interrupt() == 0
    assert not (home / "sealing.key").exists(), "the key that was named is the one in use"
