"""The sealing key of a running cluster is in none of Ray's files, states, logs and shared objects."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from cluster.home import Home
from cluster.orphan_processes import MARK
from cluster.runtime_folder import RuntimeFolder
from storage.control.sealing import new_key
from tests.e2e.processes import demo, environment

_STATES = ("actors", "tasks", "objects", "workers", "nodes", "runtime_envs", "placement_groups", "jobs")
_CHUNK = 16 << 20


def _marked(home: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home):
                yield process
        except psutil.Error:
            continue


def _contains(path: Path, needles: tuple[bytes, ...]) -> bool:
    """Whether a file, which may be large and sparse, contains a secret."""
    overlap = max(map(len, needles))
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if any(needle in tail + chunk for needle in needles):
                return True
            tail = chunk[-overlap:]
    return False


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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads the object store through /proc")
def test_a_planted_sealing_key_is_found_nowhere(home: Path) -> None:
    key = new_key()
    needles = (key.encode(), base64.b64decode(key))
    env = environment(home, GBM_SEALING__KEY=key)
    with demo("--messages", "60", env=env, home=home) as running:
        summary = running.summary()
        assert summary["messages"] >= 60
        assert sum(1 for _ in _marked(home)) > 3
        places = list(_places(home))
        assert any("plasma" in str(place.readlink()) for place in places if place.is_symlink())
        assert any(place.suffix in (".log", ".out", ".err") for place in places)
        assert [str(place) for place in places if _contains(place, needles)] == []

        token = (home / "run" / "ray.token").read_text().strip()
        dashboard = f"http://127.0.0.1:{env['GBM_RAY__DASHBOARD_PORT']}"
        with httpx.Client(base_url=dashboard, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            answers = {state: client.get(f"/api/v0/{state}?detail=true&limit=10000") for state in _STATES}
            answers["serve"] = client.get("/api/serve/applications/")
            answers["submitted"] = client.get("/api/jobs/")
        assert answers["actors"].status_code == answers["serve"].status_code == 200
        assert [name for name, answer in answers.items() if key in answer.text] == []
        assert running.interrupt() == 0
    assert not (home / "sealing.key").exists(), "the key that was named is the one in use"
