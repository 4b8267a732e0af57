"""storage/sql_sandbox/wall.py: what a system lacks is named before the first query."""

import platform

import pytest

from storage.sql_sandbox import wall


def test_an_unknown_machine_has_no_filter_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert "seccomp" in wall.lacking()


def test_another_system_has_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert wall.lacking() == ["no new privileges", "Landlock", "seccomp"]


def test_a_kernel_without_landlock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall, "_landlock_version", lambda _: -1)
    assert "Landlock" in wall.lacking()
