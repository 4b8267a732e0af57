"""cluster/doctor/machine.py: what this machine lacks is named with what to do."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster.doctor import machine
from cluster.doctor.finding import Finding, Level
from cluster.home import Home
from cluster.settings import Settings
from storage.sql_sandbox import wall


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GBM_HOME", str(tmp_path / "home"))
    return Settings()


def _only(findings: object) -> Finding:
    (finding,) = list(findings)  # type: ignore[call-overload]
    assert isinstance(finding, Finding)
    return finding


def test_a_home_that_others_may_write_to_is_an_error(settings: Settings) -> None:
    settings.home.mkdir(mode=0o700)
    settings.home.chmod(0o777)
    finding = _only(machine.home_folder(Home(settings.home)))
    assert (finding.level, finding.remedy) == (Level.ERROR, f"chmod go-w {settings.home}")


def test_a_home_of_another_user_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.home.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    finding = _only(machine.home_folder(Home(settings.home)))
    assert finding.level is Level.ERROR
    assert "this process runs as 4242" in finding.detail


def test_a_home_that_does_not_exist_yet_is_fine(settings: Settings) -> None:
    assert _only(machine.home_folder(Home(settings.home))).level is Level.OK
    assert _only(machine.archive_disk(settings, Home(settings.home))).level is Level.OK


@pytest.mark.parametrize(("free", "level"), [(400 << 20, Level.ERROR), (1 << 30, Level.WARNING), (64 << 30, Level.OK)])
def test_the_archives_disk_is_judged_by_its_reserve(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    Home(settings.home).archive.mkdir(parents=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    finding = _only(machine.archive_disk(settings, Home(settings.home)))
    assert finding.level is level
    assert "512 MiB stay reserved" in finding.detail


def test_fewer_open_files_than_connections_want_is_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "file_limit", lambda: 2_000)
    finding = _only(machine.open_files(settings))
    assert finding.level is Level.WARNING
    assert f"of {settings.serve.edge.connections} connections" in finding.detail


def test_a_kernel_that_cannot_confine_queries_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall, "lacking", lambda: ["Landlock"])
    finding = _only(machine.confinement())
    assert (finding.level, "lacks Landlock" in finding.detail) == (Level.WARNING, True)
