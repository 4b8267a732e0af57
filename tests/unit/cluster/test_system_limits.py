"""cluster/system_limits.py: what is too small is named with what raises it."""

import os
import resource
from pathlib import Path

import pytest

from cluster.system_limits import TooFewProcesses, lacking_memory, require_processes


def _groups(tmp_path: Path, **limits: str) -> tuple[Path, Path]:
    """A control group below another, with their limits of processes."""
    root, own = tmp_path / "cgroup", tmp_path / "own"
    (root / "outer" / "inner").mkdir(parents=True)
    for name, limit in limits.items():
        (root / ("outer" if name == "outer" else "outer/inner") / "pids.max").write_text(f"{limit}\n")
    own.write_text("1:name=systemd:/\n0::/outer/inner\n")
    return root, own


@pytest.mark.parametrize("limits", [{}, {"outer": "max", "inner": "max"}, {"outer": "4096", "inner": "1000"}])
def test_enough_processes_are_enough(tmp_path: Path, limits: dict[str, str]) -> None:
    require_processes(*_groups(tmp_path, **limits))


@pytest.mark.parametrize("limits", [{"outer": "200"}, {"outer": "max", "inner": "200"}])
def test_a_group_with_too_few_processes_is_refused_and_what_raises_it_named(
    tmp_path: Path, limits: dict[str, str]
) -> None:
    with pytest.raises(TooFewProcesses, match=r"Only 200 .*`--pids-limit=1000`"):
        require_processes(*_groups(tmp_path, **limits))


def test_a_user_with_too_few_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 300))
    with pytest.raises(TooFewProcesses, match=r"Only 300 .*`ulimit -Hu 1000`"):
        require_processes(*_groups(tmp_path))


def test_a_soft_limit_is_raised_to_the_hard_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 5000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    require_processes(*_groups(tmp_path))
    assert raised == [(5000, 5000)]


def test_shared_memory_that_is_too_small_is_told(tmp_path: Path) -> None:
    assert lacking_memory(1, tmp_path) == ""
    assert "`--shm-size`" in lacking_memory(1 << 60, tmp_path)
    assert lacking_memory(1 << 60, tmp_path / "nowhere") == ""
