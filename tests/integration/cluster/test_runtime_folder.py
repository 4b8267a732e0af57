"""cluster/runtime_folder.py. The ordinary user is a forked process without root's rights: these need root."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.home import Home
from cluster.runtime_folder import FolderUnsafe, RuntimeFolder, remove_abandoned

_NOBODY = 65_534


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RuntimeFolder]:
    """As a cluster has it once Ray runs: Ray's part is open to everybody."""
    with tempfile.TemporaryDirectory(prefix="g") as shared:  # pytest's own is private, and its name too long
        Path(shared).chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", shared)
        folder = RuntimeFolder(_home(tmp_path, "home"))
        folder.claim()
        folder.ray.mkdir()
        folder.ray.chmod(0o777)
        folder.haproxy.mkdir(mode=0o700)
        (folder.haproxy / "haproxy").write_text("#!/bin/sh\n")
        (folder.ray / "gcs.log").write_text("who searched for what")
        yield folder


def _home(folder: Path, name: str) -> Home:
    home = Home(folder / name)
    home.prepare()
    return home


def _refused_to_nobody(action: Callable[[], object]) -> bool:
    """Whether an ordinary user may not do it."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            action()
            os._exit(0)
        except PermissionError:
            os._exit(13)
        except BaseException:  # noqa: BLE001 - the child must never go on as a second test run
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 13), f"the attempt itself failed: {code}"
    return code == 13


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_another_user_can_neither_replace_nor_read_nor_connect(folder: RuntimeFolder) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder.ray / "raylet"))
    (folder.ray / "raylet").chmod(0o777)
    listener.listen()

    def connect() -> None:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(folder.ray / "raylet"))

    attempts: dict[str, Callable[[], object]] = {
        "rename HAProxy's folder": lambda: folder.haproxy.rename(folder.root / "x"),
        "rename the whole folder": lambda: folder.root.rename(folder.root.with_name("x")),
        "put a file": lambda: (folder.ray / "own").write_text("x"),
        "read a log": lambda: (folder.ray / "gcs.log").read_text(),
        "list": lambda: list(os.scandir(folder.root)),
        "connect": connect,
    }
    with listener:
        assert [name for name, attempt in attempts.items() if not _refused_to_nobody(attempt)] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_the_same_attempts_succeed_where_the_folder_is_open(folder: RuntimeFolder) -> None:
    """Or the test above would pass whatever the folder was."""
    folder.root.chmod(0o777)

    assert not _refused_to_nobody(lambda: folder.haproxy.rename(folder.root / "x"))
    with pytest.raises(FolderUnsafe, match="0777"):
        folder.require_private()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder away")
def test_a_folder_that_somebody_else_made_first_is_refused(folder: RuntimeFolder) -> None:
    os.chown(folder.root, _NOBODY, _NOBODY)

    with pytest.raises(FolderUnsafe, match="another user"):
        folder.claim()


def test_a_link_in_its_place_is_refused(folder: RuntimeFolder, tmp_path: Path) -> None:
    folder.remove()
    folder.root.symlink_to(tmp_path)

    with pytest.raises(FolderUnsafe, match="another user"):
        folder.claim()


def test_a_temporary_folder_in_which_others_may_rename_is_refused(folder: RuntimeFolder) -> None:
    folder.root.parent.chmod(0o777)

    with pytest.raises(FolderUnsafe, match="rename"):
        folder.claim()


def test_what_an_earlier_session_left_is_gone(folder: RuntimeFolder) -> None:
    folder.root.chmod(0o777)  # as an earlier release did

    folder.claim()

    assert [path.name for path in folder.root.iterdir()] == ["home"]
    assert folder.root.stat().st_mode & 0o777 == 0o700


def test_the_folders_of_clusters_that_ended_are_removed_and_no_others(folder: RuntimeFolder, tmp_path: Path) -> None:
    home = _home(tmp_path, "runs")
    running, unknown = RuntimeFolder(home), folder.root.with_name(f"gbm-{os.geteuid()}-unknown")
    with home.exclusively():
        running.claim()
        unknown.mkdir()

        assert remove_abandoned() == 1

        assert not folder.root.exists()
        assert running.root.exists() and unknown.exists()
    assert remove_abandoned() == 1
    assert not running.root.exists()


def test_a_name_too_long_for_sockets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "x" * 60)

    with pytest.raises(FolderUnsafe, match="at most"):
        RuntimeFolder(Home(tmp_path)).claim()
