"""Files of every format that was ever written are read: one of each is kept. Newer ones are refused by their number."""

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from storage.files import duckdb_engine, file_format
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.file_format import FileNewer, number_of_parquet
from storage.files.raw_file import read_ending
from storage.fulltext import container
from storage.recovery.rollup_reader import rolled_of
from storage.segments import analysis_file
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX, ROLLUP_SUFFIX, SPLIT_SUFFIX
from storage.segments.merge.sources import open_source
from tests.integration.storage.factory import Mail, Shard, echo

_KEPT = sorted(path for path in (Path(__file__).parent / "formats").iterdir() if path.is_dir())


@pytest.fixture(params=_KEPT, ids=lambda path: path.name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> LocalBlobs:
    """A shard's folder as a release wrote it: a segment of three messages, its analysis, a roll-up."""
    shutil.copytree(request.param, tmp_path / "archive")
    return LocalBlobs(tmp_path / "archive")


def name_of(blobs: LocalBlobs, suffix: str) -> str:
    [name] = [blob.name for blob in blobs.list("0000") if blob.name.endswith(suffix)]
    return name


def ending(blobs: LocalBlobs, name: str) -> object:
    return read_ending(name, blobs.size(name), lambda offset, size: blobs.read(name, offset, size))


def test_a_segment_of_an_older_format_is_read(kept: LocalBlobs) -> None:
    name = name_of(kept, RAW_SUFFIX).removesuffix(RAW_SUFFIX)
    source = open_source(kept, name)  # reads the raw file's index and the Parquet, and holds one against the other
    assert sorted(source.keys["message_id"].to_pylist()) == [1, 2, 3]
    table = pq.read_table(kept.location(name + PARQUET_SUFFIX))
    assert {row["message_id"]: row["subject"] for row in table.to_pylist()} == {1: "First", 2: "Second", 3: "Hello"}
    duckdb_engine._check(str(kept.location(name + PARQUET_SUFFIX)))


def test_a_split_of_an_older_format_is_read(kept: LocalBlobs, tmp_path: Path) -> None:
    name = name_of(kept, SPLIT_SUFFIX)
    (tmp_path / "split").mkdir()
    size = container.unpack(
        name, kept.size(name), lambda offset, size: kept.read(name, offset, size), tmp_path / "split"
    )
    import tantivy

    assert size > 0
    assert tantivy.Index.open(str(tmp_path / "split")).searcher().num_docs == 3


def test_an_analysis_of_an_older_format_is_read(kept: LocalBlobs) -> None:
    name = name_of(kept, analysis_file.ANALYSIS_SUFFIX)
    keys = pq.read_table(kept.location(name_of(kept, PARQUET_SUFFIX)))
    assert analysis_file.manifest_of(kept, name, keys).versions == (("echo", 1),)


def test_a_roll_up_of_an_older_format_is_read(kept: LocalBlobs) -> None:
    [rolled], damaged = rolled_of(kept, 0)
    assert damaged == []
    assert rolled.table("events").select(["label_id", "is_on"]).to_pylist() == [{"label_id": "STARRED", "is_on": True}]
    assert rolled.table("mailboxes").num_rows == 1


def test_what_is_written_now_carries_the_numbers(shard: Shard) -> None:
    user_id = shard.user()
    name = shard.store(user_id, Mail(1), analyse=echo)
    for file in (name + PARQUET_SUFFIX, shard.analyses()[name]):
        metadata = pq.read_metadata(shard.blobs.location(file)).metadata
        assert metadata[file_format.PARQUET_KEY] == b"1"
        assert number_of_parquet(metadata) == 1
    assert Path(shard.blobs.location(name + RAW_SUFFIX)).read_bytes()[-8:] == b"GBMRAW01"
    assert Path(shard.blobs.location(name + SPLIT_SUFFIX)).read_bytes()[-8:] == b"GBMSPL01"


def _of_next_format(path: Path, suffix: str) -> None:
    """Make a file one of a format that is not known."""
    if suffix in (RAW_SUFFIX, SPLIT_SUFFIX):
        path.write_bytes(re.sub(rb"01$", b"99", path.read_bytes()))
    elif suffix == ROLLUP_SUFFIX:
        with zipfile.ZipFile(path) as old:
            members = {name: old.read(name) for name in old.namelist()}
        members["manifest.json"] = members["manifest.json"].replace(b'"version": 1', b'"version": 99')
        with zipfile.ZipFile(path, "w") as new:
            for name, content in members.items():
                new.writestr(name, content)
    else:
        table = pq.read_table(path)
        metadata = {**(table.schema.metadata or {}), file_format.PARQUET_KEY: b"99"}
        pq.write_table(table.replace_schema_metadata(metadata), path)


def _read_split(blobs: LocalBlobs, name: str) -> object:
    return container.read_table(name, blobs.size(name), lambda offset, size: blobs.read(name, offset, size))


def _read_analysis(blobs: LocalBlobs, name: str) -> object:
    return analysis_file.analysers_of(blobs, name)


@pytest.mark.parametrize(
    ("suffix", "read"),
    [
        (RAW_SUFFIX, ending),
        (SPLIT_SUFFIX, _read_split),
        (analysis_file.ANALYSIS_SUFFIX, _read_analysis),
        (PARQUET_SUFFIX, lambda blobs, name: duckdb_engine._check(str(blobs.location(name)))),
    ],
)
def test_a_file_of_a_newer_format_is_refused_by_its_number_and_not_called_damaged(
    kept: LocalBlobs, suffix: str, read: Callable[[LocalBlobs, str], object]
) -> None:
    name = name_of(kept, suffix)
    read(kept, name)
    _of_next_format(Path(kept.location(name)), suffix)

    with pytest.raises(FileNewer, match="is of format 99, and this program reads up to 1") as refused:
        read(kept, name)
    assert isinstance(refused.value, FileDamaged), "who passes damage by passes this by, too"


def test_a_roll_up_of_a_newer_format_is_told_by_its_number(kept: LocalBlobs) -> None:
    _of_next_format(Path(kept.location(name_of(kept, ROLLUP_SUFFIX))), ROLLUP_SUFFIX)
    found, [(_, reason)] = rolled_of(kept, 0)
    assert (found, "version 99 is unknown" in reason) == ([], True)
