"""What tests of every tier share: a home on disk, and no network where a unit is tested."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

# A shared machine is sometimes slow for a moment: an example's duration says nothing about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 4 << 30
_UNIT = Path(__file__).parent / "unit"


@pytest.fixture(autouse=True)
def _no_sockets_in_unit_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test under tests/unit that opens a connection or listens belongs under tests/integration."""
    if _UNIT not in request.path.parents:
        return

    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise AssertionError("a unit test used a socket: move it to tests/integration")

    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)


@pytest.fixture
def home() -> Iterator[Path]:
    """A GBM_HOME of this test alone, removed afterwards. See `private_home` for why it is not `tmp_path`."""
    directory = memory_home()
    yield directory
    shutil.rmtree(directory)


def memory_home() -> Path:
    """A `private_home` in memory where this machine has some for files and programs: nothing in it outlives its test.

    Some disks take a millisecond to make a file, and a database has hundreds: copies of a pattern took 0.06 s in memory
    and 1.1 s on one of those (2026-11, fsync off in both).
    """
    room = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    # Root runs the server from a copy in its home where the account cannot reach the programs themselves.
    return private_home(_MEMORY if room and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC else None)


def private_home(parent: Path | None = None) -> Path:
    """A new directory with a short name that the embedded PostgreSQL accepts.

    `tmp_path` lies under a directory that only its owner enters, so when the tests run as root the account
    that runs the server cannot; and its long name can exceed what a socket's path may hold.
    """
    directory = Path(tempfile.mkdtemp(prefix="gbm-test-", dir=parent))
    if os.geteuid() == 0:
        directory.chmod(0o711)
    return directory
