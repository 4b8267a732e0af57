"""The README's script reads an archive that we wrote, with nothing of ours and two packages."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.config import ArchiveConfig
from storage.files.blobs import open_blobs
from storage.model.schemas import FETCHED, MESSAGES
from storage.segments import writer

_README = Path(__file__).parents[3] / "storage" / "README.md"
_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_MAIL = {
    (1, 0x19AB): b"Subject: one\r\n\r\nwords",
    (1, -2): b"Subject: two\n\n\x00\xff not text",
    (2, 7): b"",
    **{(3, number): b"Subject: many\n\n" + number.to_bytes(2, "big") * 400 for number in range(1, 300)},
}

#: Runs the script where neither our code nor the database packages can be imported.
_ALONE = """
import runpy, sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"storage", "jobs", "actors", "serve", "cluster", "duckdb", "sqlalchemy", "ray"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refusing())
script, *sys.argv[1:] = sys.argv[1:]
runpy.run_path(script, run_name="__main__")
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    config = ArchiveConfig(uri=(tmp_path / "archive").as_uri(), frame_bytes=64 * 1024)
    for keys in (list(_MAIL)[:150], list(_MAIL)[150:]):
        fetched = writer.in_order(_fetched(keys))
        writer.write(open_blobs(config.uri), config, 3, 1, fetched, _parsed(len(keys)))
    events = tmp_path / "archive" / "events.parquet"
    pq.write_table(pa.table({"label_id": ["INBOX"]}), events)
    return tmp_path / "archive"


def _fetched(keys: list[tuple[int, int]]) -> pa.Table:
    count = len(keys)
    columns = {
        "user_id": [user for user, _ in keys],
        "message_id": [message for _, message in keys],
        "thread_id": [1] * count,
        "history_id": [1] * count,
        "received_at": pa.array([_NOW] * count, pa.timestamp("ms", "UTC")),
        "labels": [["INBOX"]] * count,
        "snippet": [""] * count,
        "raw": pa.array([_MAIL[key] for key in keys], pa.large_binary()),
    }
    return pa.table(columns, schema=FETCHED)


def _parsed(count: int) -> pa.Table:
    """The columns that storage is handed, as empty as their types allow."""
    given = {*FETCHED.names, "size_bytes", "sha256", "frame_offset", "frame_bytes", "raw_offset"}
    columns = {}
    for field in MESSAGES:
        if field.name not in given:
            empty: object = [] if pa.types.is_list(field.type) else "x" if pa.types.is_string(field.type) else None
            empty = False if pa.types.is_boolean(field.type) else empty
            columns[field.name] = pa.array([empty] * count, field.type)
    return pa.table(columns)


def _read(archive: Path, *more: Path) -> "subprocess.CompletedProcess[str]":
    match = re.search(r"```python\n(.*?)```", _README.read_text(), re.DOTALL)
    assert match is not None
    assert match[1].count("\n") <= 60
    imported = set(re.findall(r"^(?:import|from) ([a-z]+)", match[1], re.MULTILINE))
    assert imported - sys.stdlib_module_names == {"pyarrow", "zstandard"}
    script = archive.parent / "read_archive.py"
    script.write_text(match[1])
    command = [sys.executable, "-c", _ALONE, str(script), str(archive), *map(str, more)]
    return subprocess.run(command, capture_output=True, text=True, cwd=archive.parent, timeout=60, check=False)


def test_every_message_is_listed_and_written_bit_for_bit(archive: Path, tmp_path: Path) -> None:
    done = _read(archive, tmp_path / "out")

    assert (done.returncode, done.stderr) == (0, f"{len(_MAIL)} messages intact, 0 messages or files damaged\n")
    assert len(done.stdout.splitlines()) == len(_MAIL)
    assert "intact 1 19ab 2026-11-22T00:00:00+00:00 x x" in done.stdout.splitlines()
    written = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in tmp_path.glob("out/*/*")}
    assert written == {f"{user}/{message % (1 << 64):x}.eml": raw for (user, message), raw in _MAIL.items()}


def test_a_damaged_frame_costs_its_messages_only(archive: Path) -> None:
    (raw, _) = sorted(archive.rglob("*.raw.zst"))
    data = bytearray(raw.read_bytes())
    data[40] ^= 0xFF
    raw.write_bytes(data)
    done = _read(archive)

    lost = [line for line in done.stdout.splitlines() if line.startswith("DAMAGED")]
    assert done.returncode == 1
    assert 0 < len(lost) < len(_MAIL) // 2 + 2
    assert len(done.stdout.splitlines()) == len(_MAIL)


def test_a_file_that_is_missing_is_told(archive: Path) -> None:
    (raw, _) = sorted(archive.rglob("*.raw.zst"))
    raw.unlink()
    done = _read(archive)

    assert done.returncode == 1
    assert raw.name in done.stderr
    assert 0 < done.stdout.count("intact") < len(_MAIL)
