"""What people install is whole: the wheel has every file, is the same bytes each time, and runs without the clone."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from storage.version import VERSION
from tests.e2e.processes import environment, left_running, wait_for

ROOT = Path(__file__).parents[2]
_PACKAGES = ("actors", "cluster", "jobs", "serve", "storage")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a release is built from a clone, and this is none"),
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A clean clone's release, built twice: wheel and source archive of each."""
    folder = tmp_path_factory.mktemp("release")
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder / "clone")], check=True)
    built = []
    for number in (1, 2):
        done = subprocess.run(
            [sys.executable, ".ci/release.py", str(folder / f"dist{number}")],
            cwd=folder / "clone",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        built += sorted((folder / f"dist{number}").iterdir())
    return built


def test_a_release_is_the_same_each_time(release: list[Path]) -> None:
    assert [path.name for path in release[:2]] == [path.name for path in release[2:]]
    assert [path.name.partition("-")[2].split("-")[0].removesuffix(".tar.gz") for path in release[:2]] == [VERSION] * 2
    for first, second in zip(release[:2], release[2:], strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_a_tree_with_changes_is_not_released(release: list[Path], tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (clone / "new.py").write_text("")
    done = subprocess.run([sys.executable, ".ci/release.py", "dist"], cwd=clone, capture_output=True, text=True)
    assert (done.returncode, "new.py" in done.stderr) == (1, True)
    assert release and not (clone / "dist").exists()


def test_the_wheel_has_every_file_of_the_packages(release: list[Path]) -> None:
    [wheel] = [path for path in release[:2] if path.suffix == ".whl"]
    listed = subprocess.run(["git", "ls-files", *_PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    # Of the web interface, what is built; its sources are of use in a clone.
    named = (name for name in listed.stdout.split("\n") if name)
    wanted = {name for name in named if not name.startswith("serve/web/") or name.startswith("serve/web/built/")}
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert wanted - held == set()
    assert {"cluster/defaults/production.yaml", "serve/openapi.json", "serve/web/built/index.html"} <= held
    assert {name for name in held if not name.startswith("gmail_backup_manager-")} == wanted


@pytest.fixture(scope="module")
def installed(release: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `gbm` of an empty environment with the wheel in it; dependencies are those of the environment at hand."""
    [wheel] = [path for path in release[:2] if path.suffix == ".whl"]
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, timeout=300)
    where = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    # A path file in another environment's folder is not followed, so the clone itself is not on the path.
    (Path(where) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "gbm"


def _run(gbm: Path, *arguments: str, env: Mapping[str, str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in env.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(gbm), *arguments]
    return subprocess.run(command, env=kept, cwd=cwd, capture_output=True, text=True, timeout=400)


def test_the_installed_program_has_its_version_and_productions_defaults(
    installed: Path, home: Path, tmp_path: Path
) -> None:
    env = environment(home)
    assert _run(installed, "--version", env=env, cwd=tmp_path).stdout == f"gbm {VERSION}\n"
    counts = {}
    for name in ("development", "production"):
        shown = _run(installed, "config", "show", "--json", env={**env, "GBM_ENVIRONMENT": name}, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        counts[name] = json.loads(shown.stdout)["shards"]["count"]
    assert counts == {"development": 2, "production": 64}


@pytest.mark.timeout(600)
def test_the_installed_program_runs_its_demonstration_outside_the_clone(
    installed: Path, home: Path, tmp_path: Path
) -> None:
    assert ROOT not in [tmp_path, *tmp_path.parents]
    env = {**environment(home), "PATH": os.environ["PATH"]}
    done = _run(installed, "demo", "--exit", "--json", "--messages", "50", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"] >= 50
    wait_for(lambda: not left_running(home), f"still running: {left_running(home)}")
