"""DuckDB over real segments: damage has one name, times are in UTC, and the process survives."""

import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.processing import write_segment
from storage.config import ArchiveConfig
from storage.db.sql_files import duckdb_sql
from storage.files import duckdb_engine
from storage.files.blobs import FileDamaged
from storage.model.time_range import EARLIEST, LATEST
from tests.integration.storage.factory import NOON, Mail, fetched

VALUES: dict[str, object] = {
    "user_id": 1,
    "message_ids": list(range(20)),
    "first_at": EARLIEST,
    "last_at": LATEST,
}


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Parquet file of a segment."""
    root = tmp_path_factory.mktemp("archive")
    mails = [Mail(number, text=f"words {number * 7919}") for number in range(20)]
    manifest, _ = write_segment(ArchiveConfig(uri=root.as_uri()), 0, 1, [fetched(1, mails)])
    assert manifest is not None
    return root / f"{manifest.name}.parquet"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in another time zone."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    duckdb_engine._database.cache_clear()
    yield
    monkeypatch.undo()
    time.tzset()
    duckdb_engine._database.cache_clear()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_is_never_more_than_a_damaged_file(parquet: Path, tmp_path: Path, data: st.DataObject) -> None:
    good = parquet.read_bytes()
    # Most of a footer decides how the rest is read: there a flip shows in DuckDB's strangest errors.
    bit = data.draw(st.integers(0, len(good) * 8 - 1) | st.integers(len(good) * 6, len(good) * 8 - 1))
    damaged = bytearray(good)
    damaged[bit // 8] ^= 1 << bit % 8
    file = tmp_path / "damaged.parquet"
    file.write_bytes(damaged)

    try:
        found = duckdb_engine.ask(duckdb_sql("summaries"), [str(parquet), str(file)], VALUES).to_pylist()
    except FileDamaged as error:
        assert error.name == str(file)
    else:
        assert len(found) >= 20


def test_a_question_that_is_wrong_is_not_blamed_on_the_files(parquet: Path) -> None:
    with pytest.raises(duckdb.Error):
        duckdb_engine.ask("SELECT nothing FROM read_parquet($files)", [str(parquet)], {})


def test_times_are_in_utc_wherever_the_machine_is(parquet: Path, elsewhere: None) -> None:
    table = duckdb_engine.ask("SELECT received_at FROM read_parquet($files) LIMIT 1", [str(parquet)], {})

    assert table.schema.field("received_at").type.tz == "UTC"
    assert table["received_at"].to_pylist() == [NOON]


def test_a_question_can_neither_change_settings_nor_load_extensions(parquet: Path) -> None:
    for statement in ("SET threads = 8", "LOAD httpfs"):
        with pytest.raises(duckdb.Error), duckdb_engine._database().cursor() as cursor:
            cursor.execute(statement)
